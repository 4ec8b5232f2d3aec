//! The plain HTTP side for machines: the OpenAPI document that the hub serves.

/// OpenAPI 3.1, YAML: every request and answer below `/api/`, with its schema and examples.
pub const DOCUMENT: &str = include_str!("../../client-demo/openapi.yaml");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ERRORS;
    use crate::http::HTTP_CALLS;

    #[test]
    fn the_document_names_every_error_and_every_call() {
        for row in ERRORS {
            assert!(DOCUMENT.contains(row.name) && DOCUMENT.contains(&format!("'{}':", row.status)), "{row:?}");
        }
        for (name, _) in HTTP_CALLS {
            assert!(DOCUMENT.contains(&format!("/api/{name}:")), "{name}");
        }
    }
}
