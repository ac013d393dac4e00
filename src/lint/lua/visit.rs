//! From a syntax tree to what rules ask for.

use std::collections::BTreeMap;

use full_moon::{
    ast::{
        Assignment, BinOp, Call as AstCall, Expression, FunctionArgs, FunctionBody, FunctionCall,
        FunctionDeclaration, GenericFor, Index, LocalAssignment, LocalFunction, NumericFor,
        Parameter, Prefix, Suffix, Var, VarExpression,
    },
    node::Node as _,
    tokenizer::{Token, TokenReference, TokenType},
    visitors::Visitor,
};

use super::{
    chunk::{Arg, Call, Chunk, Fault},
    parse::parse,
};
use crate::lint::config::At;

impl Chunk {
    /// Reads a piece of Lua whose first line stands at `at`.
    pub fn read(code: &str, at: &At) -> Self {
        let place = |line: usize| At {
            line: at.line + line.saturating_sub(1) as u64,
            ..at.clone()
        };
        let mut reader = Reader {
            place: &place,
            chunk: Self::default(),
            aliases: BTreeMap::new(),
            depth: 0,
        };
        match parse(code) {
            Ok(ast) => reader.visit_ast(&ast),
            Err(faults) => {
                let fault = |(line, says)| Fault {
                    at: place(line),
                    says,
                };
                reader.chunk.faults = faults.into_iter().map(fault).collect();
            }
        }
        reader.chunk
    }
}

struct Reader<'a> {
    /// The place of a line.
    place: &'a dyn Fn(usize) -> At,
    chunk: Chunk,
    /// What a local name stands for: `local log = ngx.log`.
    aliases: BTreeMap<String, String>,
    depth: usize,
}

impl Reader<'_> {
    fn local(&mut self, token: &TokenReference) {
        let name = word(token);
        // A name that is given away again stands for nothing that could be known.
        self.aliases.remove(&name);
        self.chunk.locals.insert(name);
    }

    fn resolved(&self, name: String) -> String {
        let (first, rest) = name.split_at(name.find(['.', ':']).unwrap_or(name.len()));
        match self.aliases.get(first) {
            Some(whole) => format!("{whole}{rest}"),
            None => name,
        }
    }

    fn arg(&self, expression: &Expression) -> Arg {
        match expression {
            Expression::String(token) => Arg::Text(text(token)),
            Expression::Number(token) => Arg::Number(word(token)),
            Expression::Symbol(token) => match word(token).as_str() {
                "nil" => Arg::Nil,
                "..." => Arg::Many,
                _ => Arg::Other,
            },
            Expression::Var(var) => {
                var_name(var).map_or(Arg::Other, |name| Arg::Name(self.resolved(name)))
            }
            Expression::FunctionCall(_) => Arg::Many,
            Expression::Parentheses { expression, .. } => match self.arg(expression) {
                Arg::Many => Arg::Other,
                other => other,
            },
            Expression::BinaryOperator {
                lhs,
                binop: BinOp::TwoDots(_),
                rhs,
            } => Arg::Joined(vec![self.arg(lhs), self.arg(rhs)]),
            _ => Arg::Other,
        }
    }

    fn args(&self, args: &FunctionArgs) -> Vec<Arg> {
        match args {
            FunctionArgs::Parentheses { arguments, .. } => {
                arguments.iter().map(|one| self.arg(one)).collect()
            }
            FunctionArgs::String(token) => vec![Arg::Text(text(token))],
            _ => vec![Arg::Other],
        }
    }

    /// The calls of a chain: `require("authz").require_session()` is two.
    fn chain<'b>(&mut self, prefix: &Prefix, suffixes: impl Iterator<Item = &'b Suffix>) {
        let mut name = prefix_name(prefix);
        for suffix in suffixes {
            let Suffix::Call(call) = suffix else {
                name = name.and_then(|name| indexed(name, suffix));
                continue;
            };
            let called = name.take();
            let (called, args, at) = match call {
                AstCall::AnonymousCall(args) => (called, self.args(args), call.start_position()),
                AstCall::MethodCall(method) => {
                    let called = called.map(|name| format!("{name}:{}", word(method.name())));
                    (called, self.args(method.args()), call.start_position())
                }
                _ => continue,
            };
            let line = prefix
                .start_position()
                .or(at)
                .map_or(1, |place| place.line());
            let name = called.map_or_else(String::new, |name| self.resolved(name));
            self.chunk.calls.push(Call {
                name,
                args,
                at: (self.place)(line),
                depth: self.depth,
            });
        }
    }

    fn global(&mut self, name: &str, params: Option<Vec<String>>) {
        let name = name.strip_prefix("_G.").unwrap_or(name);
        if !name.contains('.') && !self.chunk.locals.contains(name) {
            self.chunk.globals.insert(name.to_owned(), params);
        }
    }
}

impl Visitor for Reader<'_> {
    fn visit_function_call(&mut self, call: &FunctionCall) {
        self.chain(call.prefix(), call.suffixes());
    }

    fn visit_var_expression(&mut self, var: &VarExpression) {
        self.chain(var.prefix(), var.suffixes());
    }

    fn visit_string_literal(&mut self, token: &Token) {
        if let TokenType::StringLiteral { literal, .. } = token.token_type() {
            self.chunk.texts.push(literal.to_string());
        }
    }

    fn visit_function_body(&mut self, body: &FunctionBody) {
        self.depth += 1;
        for parameter in body.parameters() {
            if let Parameter::Name(name) = parameter {
                self.local(name);
            }
        }
    }

    fn visit_function_body_end(&mut self, _: &FunctionBody) {
        self.depth -= 1;
    }

    fn visit_local_function(&mut self, function: &LocalFunction) {
        self.local(function.name());
    }

    fn visit_numeric_for(&mut self, node: &NumericFor) {
        self.local(node.index_variable());
    }

    fn visit_generic_for(&mut self, node: &GenericFor) {
        for name in node.names() {
            self.local(name);
        }
    }

    fn visit_local_assignment(&mut self, node: &LocalAssignment) {
        let mut values = node.expressions().iter();
        for token in node.names() {
            let value = values.next().map(|value| self.arg(value));
            let known = self.chunk.locals.contains(&word(token));
            self.local(token);
            if let (Some(Arg::Name(whole)), false) = (value, known) {
                self.aliases.insert(word(token), whole);
            }
        }
    }

    fn visit_assignment(&mut self, node: &Assignment) {
        let mut values = node.expressions().iter();
        for var in node.variables() {
            let value = values.next();
            let Some(name) = var_name(var) else { continue };
            self.aliases.remove(&name);
            let params = match value {
                Some(Expression::Function(function)) => Some(parameters(function.body())),
                _ => None,
            };
            self.global(&name, params);
        }
    }

    fn visit_function_declaration(&mut self, node: &FunctionDeclaration) {
        if node.name().method_name().is_some() {
            return;
        }
        let words: Vec<String> = node.name().names().iter().map(word).collect();
        self.global(&words.join("."), Some(parameters(node.body())));
    }
}

fn parameters(body: &FunctionBody) -> Vec<String> {
    let all = body.parameters().iter();
    all.map(|parameter| match parameter {
        Parameter::Name(token) => word(token),
        _ => "...".to_owned(),
    })
    .collect()
}

fn word(token: &TokenReference) -> String {
    token.token().to_string()
}

/// A text between its quotes.
fn text(token: &TokenReference) -> String {
    match token.token_type() {
        TokenType::StringLiteral { literal, .. } => literal.to_string(),
        _ => word(token),
    }
}

fn prefix_name(prefix: &Prefix) -> Option<String> {
    match prefix {
        Prefix::Name(token) => Some(word(token)),
        _ => None,
    }
}

/// `name` with one more part.
fn indexed(name: String, suffix: &Suffix) -> Option<String> {
    match suffix {
        Suffix::Index(Index::Dot { name: part, .. }) => Some(format!("{name}.{}", word(part))),
        Suffix::Index(Index::Brackets { expression, .. }) => match &**expression {
            Expression::String(token) => Some(format!("{name}.{}", text(token))),
            _ => None,
        },
        _ => None,
    }
}

/// The dotted name of a variable; none where a call or a computed key is part of it.
fn var_name(var: &Var) -> Option<String> {
    match var {
        Var::Name(token) => Some(word(token)),
        Var::Expression(expression) => expression
            .suffixes()
            .try_fold(prefix_name(expression.prefix())?, indexed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(code: &str) -> Chunk {
        let at = At {
            file: std::path::Path::new("x.lua").into(),
            line: 10,
        };
        Chunk::read(code, &at)
    }

    #[test]
    fn calls_are_found_wherever_they_stand() {
        let read = chunk(
            "local log, WARN = ngx.log, ngx.WARN\n\
             local authz = require(\"authz\")\n\
             local email = require \"session\".email(1)\n\
             _G.track_user = function(email, context)\n\
               log(WARN, \"[info] Tracking user: \" .. email, \" [\", context, nil)\n\
               red:get(f(...))\n\
             end\n\
             return authz.require_admin()",
        );
        assert!(read.faults.is_empty());
        let names: Vec<&str> = read.calls.iter().map(|call| call.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "require",
                "require",
                "",
                "ngx.log",
                "red:get",
                "f",
                "authz.require_admin"
            ]
        );
        let log = &read.calls[3];
        assert_eq!((log.at.line, log.depth), (14, 1));
        assert_eq!(log.args[0], Arg::Name("ngx.WARN".to_owned()));
        assert_eq!(
            log.args[1].parts()[0],
            &Arg::Text("[info] Tracking user: ".to_owned())
        );
        assert_eq!(log.args[4], Arg::Nil);
        let params = vec!["email".to_owned(), "context".to_owned()];
        assert_eq!(read.globals["track_user"], Some(params));
    }

    #[test]
    fn what_does_not_compile_is_said_with_its_line() {
        let read = chunk("local x = 1\nif x then\n  y()\n");
        assert_eq!(read.faults[0].at.line, 13);
        let read = chunk("ngx.say(\"x\")\nend");
        assert_eq!(read.faults[0].at.line, 11);
    }

    #[test]
    fn what_luajit_takes_is_no_fault() {
        for code in [
            "goto done; do local y = 1ULL + 0xffLL + 2i end ::done::",
            "while true do break; f() end",
            "local t = {1, 2; 3};;; ::l:: ;",
            "#!/usr/bin/env resty\nlocal s = 'a\\z\n  b\\x41' .. [==[ ]] ]==]",
            "local function f(...) return ... end f{1} f'x' (g or h)()",
        ] {
            let read = chunk(code);
            assert!(read.faults.is_empty(), "{code}: {:?}", read.faults);
        }
    }
}
