//! Layers and places.
