//! The endpoints of the provider API.

use hyper::Method;

use crate::protocol::CallName;
use crate::protocol::http::{HTTP_CALLS, HttpCall};

const PREFIX: &str = "/api/";
/// The path below which a notification can be asked for by its id.
pub(crate) const NOTIFICATIONS: &str = "/api/notifications/";

/// An endpoint of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Endpoint {
    Call(HttpCall),
    Notification,
}

impl Endpoint {
    pub(crate) fn at(path: &str) -> Option<Self> {
        if path.starts_with(NOTIFICATIONS) {
            return Some(Self::Notification);
        }
        let name = path.strip_prefix(PREFIX)?;
        HTTP_CALLS.iter().find(|(have, _)| *have == name).map(|(_, call)| Self::Call(*call))
    }

    pub(crate) fn methods(self) -> &'static str {
        match self {
            Self::Call(_) => "POST",
            Self::Notification => "GET, HEAD",
        }
    }

    pub(crate) fn allows(self, method: &Method) -> bool {
        match self {
            Self::Call(_) => method == Method::POST,
            Self::Notification => matches!(*method, Method::GET | Method::HEAD),
        }
    }

    /// The `msdyn_name` of an error here.
    pub(crate) fn call_name(self) -> Option<CallName> {
        match self {
            Self::Call(call) => call.name(),
            Self::Notification => Some(CallName::NotifyEvent),
        }
    }
}

/// Whether a path belongs to the API.
pub(crate) fn is_api_path(path: &str) -> bool {
    path.starts_with(PREFIX) || path == PREFIX.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_found_by_its_whole_path() {
        for path in ["/api/notify", "/api/cancel", "/api/kpi", "/api/activity", "/api/endSession"] {
            assert!(matches!(Endpoint::at(path), Some(Endpoint::Call(_))), "{path}");
        }
        assert!(matches!(Endpoint::at("/api/notifications/x"), Some(Endpoint::Notification)));
        for path in ["/api", "/api/", "/api/notify/", "/api/hello", "/api/notifications", "/ap/notify"] {
            assert!(Endpoint::at(path).is_none(), "{path}");
        }
        assert!(is_api_path("/api") && is_api_path("/api/x") && !is_api_path("/apis"));
    }
}
