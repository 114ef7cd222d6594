//! Small scenes and the content that is written for them.
