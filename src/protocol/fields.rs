//! One JSON object taken apart in one pass, and the checks of single fields.
