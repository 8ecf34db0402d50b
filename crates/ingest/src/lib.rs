//! Files into sources.
