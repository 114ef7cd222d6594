//! What the client wrote, and how it becomes a scene.

pub mod elements;
