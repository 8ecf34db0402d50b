//! The leaderboard bolt: ranked scores for each board and period.
