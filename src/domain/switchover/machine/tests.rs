//! What the identity machine promises: a person decides, epochs rise, one primary an epoch.
