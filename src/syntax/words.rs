//! Lines of words with continuation (interfaces(5)).
