//! Parses `[[auth.issuers]]` of the configuration file.

use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::quoted;
use super::file::{FileErrors, unknown};
use super::setting::shown;
use crate::auth::{ClaimPath, ClaimPaths, Issuer, JwksLocation};
use crate::outbound::OutboundUrl;
use deskbell_protocol::{Role, check_name};

/// The most issuers.
const ISSUERS_MAX: usize = 16;
/// The most values of each list.
const LIST_MAX: usize = 100;
/// The size limit of a text, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

const KEYS: [&str; 7] = ["issuer", "audience", "jwks", "claims", "roles", "workspaces", "subjectPrefix"];
const CLAIMS: [&str; 6] = ["subject", "name", "role", "groups", "workspace", "capacity"];
/// Claims that an identity provider can give to another person later.
const REASSIGNED: [&str; 3] = ["email", "upn", "preferred_username"];

type Value<'t> = Spanned<DeValue<'t>>;

/// Parses all issuers of the file. Issuers with errors are left out. Warnings are added to `warnings`.
pub(super) fn parse(value: &Value<'_>, errors: &mut FileErrors<'_>, warnings: &mut Vec<String>) -> Vec<Issuer> {
    let not_tables = "write each issuer as a table [[auth.issuers]]";
    let DeValue::Array(tables) = value.get_ref() else {
        errors.add(&value.span(), not_tables.to_owned());
        return Vec::new();
    };
    if tables.len() > ISSUERS_MAX {
        errors.add(&value.span(), format!("{} issuers; allowed: at most {ISSUERS_MAX}", tables.len()));
        return Vec::new();
    }
    let mut issuers: Vec<Issuer> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let DeValue::Table(keys) = table.get_ref() else {
            errors.add(&table.span(), not_tables.to_owned());
            continue;
        };
        let title = match keys.get("issuer").and_then(|issuer| issuer.get_ref().as_str()) {
            Some(issuer) => format!("[[auth.issuers]] {}", quoted(issuer)),
            None => format!("[[auth.issuers]] number {}", index + 1),
        };
        let mut parser = IssuerParser { title, span: table.span(), keys, errors, valid: true };
        let Some(issuer) = parser.issuer(tables.len() > 1) else { continue };
        for earlier in &issuers {
            if earlier.issuer == issuer.issuer {
                parser.error(&table.span(), "", "another entry has this issuer already");
            } else if earlier.subject_prefix == issuer.subject_prefix && earlier.overlaps(&issuer) {
                let what = format!(
                    "it can grant the same role in the same workspace as {}; give them different subjectPrefixes",
                    quoted(&earlier.issuer)
                );
                parser.error(&table.span(), "", &what);
            }
        }
        parser.warn(&issuer, warnings);
        issuers.push(issuer);
    }
    issuers
}

/// Parses one issuer.
struct IssuerParser<'k, 'd, 'f, 't> {
    /// Its name in messages.
    title: String,
    span: Range<usize>,
    keys: &'k DeTable<'d>,
    errors: &'f mut FileErrors<'t>,
    valid: bool,
}

impl IssuerParser<'_, '_, '_, '_> {
    fn issuer(&mut self, several: bool) -> Option<Issuer> {
        self.refuse_unknown("", self.keys, &KEYS);
        if !self.keys.contains_key("issuer") {
            self.error(&self.span.clone(), "", "issuer is missing");
        }
        for required in ["roles", "workspaces"].into_iter().filter(|key| several && !self.keys.contains_key(*key)) {
            let what = format!("{required} is missing; with several issuers, each must list what it may grant");
            self.error(&self.span.clone(), "", &what);
        }
        let text = self.keys.get("issuer").and_then(|value| self.text("issuer", value)).unwrap_or_default();
        let mut issuer = Issuer::new(&text);
        issuer.audiences = self.list("audience").unwrap_or_default();
        issuer.jwks = self.jwks(&text);
        issuer.claims = self.claims();
        issuer.roles = self.roles();
        issuer.workspaces = self.list("workspaces");
        issuer.subject_prefix =
            self.keys.get("subjectPrefix").and_then(|value| self.text("subjectPrefix", value)).unwrap_or_default();
        self.check_names(&issuer);
        self.valid.then_some(issuer)
    }

    fn check_names(&mut self, issuer: &Issuer) {
        let workspaces = issuer.workspaces.iter().flatten().map(|name| ("workspaces", name));
        let prefix = Some(&issuer.subject_prefix).filter(|prefix| !prefix.is_empty());
        let names: Vec<_> = workspaces.chain(prefix.map(|prefix| ("subjectPrefix", prefix))).collect();
        for (key, name) in names {
            if let (Err(what), Some(value)) = (check_name(name), self.keys.get(key)) {
                self.error(&value.span(), key, &what);
            }
        }
    }

    fn text(&mut self, key: &str, value: &Value<'_>) -> Option<String> {
        match value.get_ref().as_str() {
            Some(text) if text.len() <= TEXT_BYTES_MAX && !text.chars().any(char::is_control) => {
                if text.is_empty() && key != "subjectPrefix" {
                    self.error(&value.span(), key, "\"\" is empty");
                    return None;
                }
                Some(text.to_owned())
            }
            Some(_) => {
                self.error(
                    &value.span(),
                    key,
                    &format!("too long, or it has control characters; allowed: {TEXT_BYTES_MAX} bytes"),
                );
                None
            }
            None => {
                self.error(&value.span(), key, &format!("{} is not a string", shown(value.get_ref())));
                None
            }
        }
    }

    /// A string, or a list of strings.
    fn list(&mut self, key: &str) -> Option<Vec<String>> {
        let value = self.keys.get(key)?;
        self.texts(key, value)
    }

    fn texts(&mut self, key: &str, value: &Value<'_>) -> Option<Vec<String>> {
        match value.get_ref() {
            DeValue::Array(values) if values.len() > LIST_MAX => {
                self.error(&value.span(), key, &format!("{} values; allowed: at most {LIST_MAX}", values.len()));
                None
            }
            DeValue::Array(values) => Some(values.iter().filter_map(|value| self.text(key, value)).collect()),
            _ => self.text(key, value).map(|text| vec![text]),
        }
    }

    fn jwks(&mut self, issuer: &str) -> JwksLocation {
        let text = match self.keys.get("jwks") {
            Some(value) => self.text("jwks", value).map(|text| (text, value.span())),
            None => None,
        };
        match text {
            Some((text, span)) if text != "auto" && text.contains("://") => {
                if let Err(error) = text.parse::<OutboundUrl>() {
                    self.error(&span, "jwks", &format!("{} is {error}", quoted(&text)));
                }
                JwksLocation::Url(text)
            }
            Some((text, _)) if text != "auto" => JwksLocation::File(PathBuf::from(text)),
            _ => {
                if let (Err(error), Some(value)) = (issuer.parse::<OutboundUrl>(), self.keys.get("issuer")) {
                    let what = format!("{} is {error}, so its keys cannot be discovered; set jwks", quoted(issuer));
                    self.error(&value.span(), "issuer", &what);
                }
                JwksLocation::Discovery
            }
        }
    }

    fn claims(&mut self) -> ClaimPaths {
        let mut paths = ClaimPaths::default();
        let Some(value) = self.keys.get("claims") else { return paths };
        let DeValue::Table(claims) = value.get_ref() else {
            self.error(
                &value.span(),
                "claims",
                &format!("{} is not a table such as {{ role = \"roles\" }}", shown(value.get_ref())),
            );
            return paths;
        };
        self.refuse_unknown("claims", claims, &CLAIMS);
        for (key, path) in [
            ("subject", &mut paths.subject),
            ("name", &mut paths.name),
            ("role", &mut paths.role),
            ("groups", &mut paths.groups),
            ("workspace", &mut paths.workspace),
            ("capacity", &mut paths.capacity),
        ] {
            let Some(value) = claims.get(key) else { continue };
            let name = format!("claims.{key}");
            let Some(text) = self.text(&name, value) else { continue };
            match text.parse::<ClaimPath>() {
                Ok(parsed) => *path = parsed,
                Err(error) => self.error(&value.span(), &name, &format!("{} is {error}", quoted(&text))),
            }
        }
        paths
    }

    fn roles(&mut self) -> Option<Vec<(Role, Vec<String>)>> {
        let value = self.keys.get("roles")?;
        let DeValue::Table(table) = value.get_ref() else {
            let what =
                format!("{} is not a table such as {{ agent = [\"callcentre-agent\"] }}", shown(value.get_ref()));
            self.error(&value.span(), "roles", &what);
            return None;
        };
        let names: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
        self.refuse_unknown("roles", table, &names);
        let mut roles = Vec::new();
        for role in Role::ALL {
            let Some(value) = table.get(role.as_str()) else { continue };
            let values = self.texts(&format!("roles.{}", role.as_str()), value).unwrap_or_default();
            roles.push((role, values));
        }
        Some(roles)
    }

    fn warn(&self, issuer: &Issuer, warnings: &mut Vec<String>) {
        if issuer.audiences.is_empty() {
            let what = "it has no audience: a token that the issuer made for another application is accepted here too";
            warnings.push(format!("{}: {what}", self.title));
        }
        if let Some(claim) = REASSIGNED.into_iter().find(|claim| issuer.claims.subject.is(claim)) {
            warnings.push(format!(
                "{}: the subject comes from `{claim}`, which the issuer can give to another person later",
                self.title
            ));
        }
    }

    fn refuse_unknown(&mut self, place: &str, keys: &DeTable<'_>, known: &[&str]) {
        for (key, _) in keys.iter() {
            if !known.contains(&key.get_ref().as_ref()) {
                let what = unknown(&format!("unknown key {}", quoted(key.get_ref())), key.get_ref(), known);
                self.error(&key.span(), place, &what);
            }
        }
    }

    /// Adds an error about the key called `name`, or about the issuer as a whole if `name` is empty.
    fn error(&mut self, span: &Range<usize>, name: &str, what: &str) {
        self.valid = false;
        let place = if name.is_empty() { String::new() } else { format!(" {name}") };
        self.errors.add(span, format!("{}{place}: {what}", self.title));
    }
}
