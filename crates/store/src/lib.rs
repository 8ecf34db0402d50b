//! The Store on Redis: connections, the fenced cycle, effects to commands, keys and trimming.
