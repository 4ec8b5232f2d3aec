//! Issuers of tokens: their keys, the paths of their claims, and the roles and workspaces that they may grant.

use std::path::PathBuf;

use super::claim_path::ClaimPath;
use deskbell_protocol::Role;

/// The most groups of a token that count. Directories can put hundreds into one token.
pub const GROUPS_OF_TOKEN_MAX: usize = 256;

/// An issuer of tokens, as `[[auth.issuers]]` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    /// The `iss` of its tokens.
    pub issuer: String,
    /// A token must name one of these in `aud`, or, without `aud`, in `client_id` or `azp`. Empty: any audience.
    pub audiences: Vec<String>,
    /// The source of its keys.
    pub jwks: JwksLocation,
    /// The paths of its claims.
    pub claims: ClaimPaths,
    /// The claim values for each role. `None`: the values are the names of the roles.
    pub roles: Option<Vec<(Role, Vec<String>)>>,
    /// The workspaces that it may grant; `None`: any.
    pub workspaces: Option<Vec<String>>,
    /// A prefix for each subject, so that two issuers cannot grant the same subject.
    pub subject_prefix: String,
}

/// The source of the keys of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksLocation {
    /// The URL in the discovery document of the issuer.
    Discovery,
    /// A URL of a key set.
    Url(String),
    /// A file with PEM blocks or a key set.
    File(PathBuf),
}

/// The paths of the claims in a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimPaths {
    /// The path of the agentId or providerId.
    pub subject: ClaimPath,
    /// The path of the displayed name.
    pub name: ClaimPath,
    /// The path of the role or roles.
    pub role: ClaimPath,
    /// The path of the groups of an agent.
    pub groups: ClaimPath,
    /// The path of the workspace.
    pub workspace: ClaimPath,
    /// The path of the capacity of an agent.
    pub capacity: ClaimPath,
}

impl Default for ClaimPaths {
    fn default() -> Self {
        let path = |name: &str| name.parse().unwrap_or_else(|_| unreachable!("the default names are valid paths"));
        Self {
            subject: path("sub"),
            name: path("name"),
            role: path("role"),
            groups: path("groups"),
            workspace: path("workspace"),
            capacity: path("capacity"),
        }
    }
}

impl Issuer {
    /// An issuer with the default claims and without restrictions.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            audiences: Vec::new(),
            jwks: JwksLocation::Discovery,
            claims: ClaimPaths::default(),
            roles: None,
            workspaces: None,
            subject_prefix: String::new(),
        }
    }

    /// The roles for a claim value.
    pub(super) fn roles_of<'s>(&'s self, value: &'s str) -> impl Iterator<Item = Role> + 's {
        Role::ALL.into_iter().filter(move |role| match &self.roles {
            None => role.as_str() == value,
            Some(table) => {
                table.iter().any(|(mapped, values)| mapped == role && values.iter().any(|known| known == value))
            }
        })
    }

    /// Whether the issuer can grant this role.
    fn can_grant(&self, role: Role) -> bool {
        self.roles
            .as_ref()
            .is_none_or(|table| table.iter().any(|(mapped, values)| *mapped == role && !values.is_empty()))
    }

    /// Whether both issuers can grant the same role in the same workspace.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let role = Role::ALL.into_iter().any(|role| self.can_grant(role) && other.can_grant(role));
        let workspace = match (&self.workspaces, &other.workspaces) {
            (Some(own), Some(others)) => own.iter().any(|workspace| others.contains(workspace)),
            _ => true,
        };
        role && workspace
    }
}
