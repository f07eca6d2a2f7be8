//! Not begun yet.
