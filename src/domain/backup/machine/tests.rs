//! What a run promises, whatever happens to it.
