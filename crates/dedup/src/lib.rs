//! The dedup bolt: the first event of an identity passes, later ones are dropped.
