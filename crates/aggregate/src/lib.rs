//! The aggregate bolt: counts, sums, extremes, distincts and quantiles in tumbling windows.
