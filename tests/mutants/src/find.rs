//! Finds every place of a room where a defect could be put, and what the defect would be.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Expr, ItemMod, Lit, ReturnType, Stmt, Type, UnOp};

/// How a mutant is written beside the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Another expression in place of this one.
    Expression,
    /// The statement is left out.
    Statement,
    /// At the beginning of a function: it returns at once.
    Body,
    /// Behind the pattern of an arm without a guard: it does not match.
    Arm,
}

/// One defect.
#[derive(Debug, Clone)]
pub(crate) struct Mutant {
    /// Relative to the repository.
    pub(crate) file: String,
    pub(crate) line: usize,
    /// The function that it is in.
    pub(crate) function: String,
    /// Where it is, in bytes.
    pub(crate) range: Range<usize>,
    pub(crate) form: Form,
    pub(crate) original: String,
    pub(crate) replacement: String,
}

impl Mutant {
    /// The change, in one line.
    pub(crate) fn change(&self) -> String {
        let short = |text: &str| {
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let cut: String = line.chars().take(70).collect();
            if cut.len() < line.len() { format!("{cut}…") } else { line }
        };
        match self.form {
            Form::Expression => format!("`{}` -> `{}`", short(&self.original), short(&self.replacement)),
            Form::Statement => format!("without `{}`", short(&self.original)),
            Form::Body => format!("returns `{}` at once", short(&self.replacement)),
            Form::Arm => format!("without the arm `{}`", short(&self.original)),
        }
    }
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} {}: {}", self.file, self.line, self.function, self.change())
    }
}

/// All of a room, in the order of its files.
pub(crate) fn in_room(repository: &Path, room: &Path) -> Vec<Mutant> {
    let root = ["mod.rs", "lib.rs"].map(|name| room.join(name)).into_iter().find(|root| root.is_file());
    let mut files = BTreeMap::new();
    follow(&root.expect("mod.rs or lib.rs"), room, &mut files);
    let mut all = Vec::new();
    for (path, text) in files {
        let file = path.strip_prefix(repository).expect("below it").display().to_string();
        let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let mut finder = Finder { file, text: &text, function: String::new(), found: Vec::new() };
        finder.visit_file(&parsed);
        all.append(&mut finder.found);
    }
    all
}

/// The files that `mod` items lead to outside tests.
fn follow(path: &Path, beside: &Path, files: &mut BTreeMap<PathBuf, String>) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    files.insert(path.to_owned(), text);
    for item in parsed.items {
        if let syn::Item::Mod(ItemMod { attrs, ident, content: None, .. }) = item
            && !is_for_tests(&attrs)
        {
            let flat = beside.join(format!("{ident}.rs"));
            let folder = beside.join(ident.to_string());
            let next = if flat.is_file() { flat } else { folder.join("mod.rs") };
            follow(&next, &folder, files);
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.meta.to_token_stream().to_string().replace(' ', "");
        text == "test" || (text.starts_with("cfg(") && text.contains("test") && !text.contains("not(test)"))
    })
}

struct Finder<'a> {
    file: String,
    text: &'a str,
    function: String,
    found: Vec<Mutant>,
}

impl Finder<'_> {
    fn text_of(&self, node: &impl Spanned) -> &str {
        &self.text[node.span().byte_range()]
    }

    fn add(&mut self, range: Range<usize>, form: Form, original: String, replacement: impl Into<String>) {
        if self.function.is_empty() {
            return;
        }
        let line = self.text[..range.start].matches('\n').count() + 1;
        let (file, function) = (self.file.clone(), self.function.clone());
        self.found.push(Mutant { file, line, function, range, form, original, replacement: replacement.into() });
    }

    fn replace(&mut self, node: &impl Spanned, replacement: impl Into<String>) {
        let original = self.text_of(node).to_owned();
        self.add(node.span().byte_range(), Form::Expression, original, replacement);
    }

    fn function(&mut self, signature: &syn::Signature, block: &syn::Block, visit: impl FnOnce(&mut Self)) {
        // Code that the compiler evaluates cannot read the environment.
        if signature.constness.is_some() {
            return;
        }
        let before = std::mem::replace(&mut self.function, signature.ident.to_string());
        if !block.stmts.is_empty() {
            let at = block.span().byte_range().start + 1;
            for value in values_of(&signature.output) {
                self.add(at..at, Form::Body, String::new(), value);
            }
        }
        visit(self);
        self.function = before;
    }

    /// A condition that is always true, or always false.
    fn condition(&mut self, condition: &Expr, both: bool) {
        if has_let(condition) || matches!(condition, Expr::Lit(_)) {
            return;
        }
        self.replace(condition, "false");
        if both {
            self.replace(condition, "true");
        }
    }
}

/// What a function can return without doing anything.
fn values_of(output: &ReturnType) -> Vec<String> {
    let ReturnType::Type(_, output) = output else { return vec![String::new()] };
    let text = output.to_token_stream().to_string().replace(' ', "");
    let known: &[&str] = match text.as_str() {
        "bool" => &["true", "false"],
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" | "i32" | "i64" | "i128" | "isize" => &["0", "1"],
        "String" => &["String::new()"],
        "&str" | "&'staticstr" => &["\"\""],
        "Result<(),()>" => &["Ok(())"],
        _ => &[],
    };
    if !known.is_empty() {
        return known.iter().map(|&value| value.to_owned()).collect();
    }
    let never = matches!(&**output, Type::Never(_) | Type::ImplTrait(_) | Type::Reference(_));
    if never || text == "Self" {
        return Vec::new();
    }
    let value = if text.starts_with("Option<") {
        "None"
    } else if text.starts_with("Result<()") || text.ends_with("io::Result<()>") {
        "Ok(())"
    } else if text.starts_with("Result<") || text.contains("io::Result<") {
        "Ok(Default::default())"
    } else {
        "Default::default()"
    };
    vec![value.to_owned()]
}

/// Whether it binds names by `let`, so that it must stay where it is.
fn has_let(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left) || has_let(&binary.right),
        _ => false,
    }
}

fn swapped(operator: &BinOp) -> Option<&'static str> {
    Some(match operator {
        BinOp::Add(_) => "-",
        BinOp::Sub(_) => "+",
        BinOp::Mul(_) => "/",
        BinOp::Div(_) => "*",
        BinOp::Rem(_) => "/",
        BinOp::And(_) => "||",
        BinOp::Or(_) => "&&",
        BinOp::BitAnd(_) => "|",
        BinOp::BitOr(_) => "&",
        BinOp::BitXor(_) => "|",
        BinOp::Shl(_) => ">>",
        BinOp::Shr(_) => "<<",
        BinOp::Eq(_) => "!=",
        BinOp::Ne(_) => "==",
        BinOp::Lt(_) => "<=",
        BinOp::Le(_) => "<",
        BinOp::Gt(_) => ">=",
        BinOp::Ge(_) => ">",
        BinOp::AddAssign(_) => "-=",
        BinOp::SubAssign(_) => "+=",
        BinOp::MulAssign(_) => "/=",
        BinOp::BitAndAssign(_) => "|=",
        BinOp::BitOrAssign(_) => "&=",
        _ => return None,
    })
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            // What the compiler evaluates.
            syn::Item::Const(_) | syn::Item::Static(_) | syn::Item::Macro(_) | syn::Item::Enum(_) => return,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        // What `{:?}` shows is for developers.
        let is_debug =
            item.trait_.as_ref().is_some_and(|(_, path, _)| path.segments.last().is_some_and(|s| s.ident == "Debug"));
        if !is_debug {
            visit::visit_item_impl(self, item);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig, &item.block, |finder| finder.visit_block(&item.block));
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            self.function(&item.sig, &item.block, |finder| finder.visit_block(&item.block));
        }
    }

    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block, |finder| finder.visit_block(block));
        }
    }

    fn visit_type(&mut self, _: &'ast Type) {}

    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        // The length is the compiler's.
        self.visit_expr(&repeat.expr);
    }

    fn visit_pat(&mut self, _: &'ast syn::Pat) {}

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(expression, Some(_)) = statement {
            let plain = match expression {
                Expr::MethodCall(_) | Expr::Call(_) | Expr::Assign(_) | Expr::Try(_) | Expr::Await(_) => true,
                Expr::Binary(binary) => swapped(&binary.op).is_some_and(|op| op.ends_with('=') && op.len() == 2),
                _ => false,
            };
            if plain {
                let original = self.text_of(statement).to_owned();
                self.add(statement.span().byte_range(), Form::Statement, original, "");
            }
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if let Some(operator) = swapped(&binary.op)
            && !has_let(&binary.left)
            && !has_let(&binary.right)
        {
            let swapped = format!("{} {operator} {}", self.text_of(&binary.left), self.text_of(&binary.right));
            self.replace(binary, swapped);
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        if let UnOp::Not(_) = unary.op {
            let without = self.text_of(&unary.expr).to_owned();
            self.replace(unary, without);
        }
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_if(&mut self, branch: &'ast syn::ExprIf) {
        self.condition(&branch.cond, true);
        visit::visit_expr_if(self, branch);
    }

    fn visit_expr_while(&mut self, repeated: &'ast syn::ExprWhile) {
        self.condition(&repeated.cond, false);
        visit::visit_expr_while(self, repeated);
    }

    fn visit_expr_match(&mut self, choice: &'ast syn::ExprMatch) {
        let catches_all = |arm: &syn::Arm| {
            let names_anything =
                |name: &syn::Ident| name.to_string().starts_with(|c: char| c.is_lowercase() || c == '_');
            arm.guard.is_none()
                && match &arm.pat {
                    syn::Pat::Wild(_) => true,
                    syn::Pat::Ident(pattern) => pattern.subpat.is_none() && names_anything(&pattern.ident),
                    _ => false,
                }
        };
        let rest = choice.arms.last().is_some_and(catches_all);
        for arm in &choice.arms {
            let range = arm.pat.span().byte_range();
            let pattern = self.text_of(&arm.pat).to_owned();
            if let Some((_, guard)) = &arm.guard {
                self.condition(guard, true);
            } else if rest && !catches_all(arm) {
                self.add(range.end..range.end, Form::Arm, pattern, "");
            }
        }
        visit::visit_expr_match(self, choice);
    }

    fn visit_expr_lit(&mut self, literal: &'ast syn::ExprLit) {
        match &literal.lit {
            Lit::Bool(value) => self.replace(literal, (!value.value).to_string()),
            Lit::Int(value) => {
                if let Ok(number) = value.base10_parse::<u128>() {
                    let other = if number == 1 { 0 } else { number.saturating_add(1) };
                    self.replace(literal, format!("{other}{}", value.suffix()));
                }
            }
            _ => {}
        }
    }
}
