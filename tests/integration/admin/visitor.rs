//! A browser without a screen: cookies, forms, and nothing else.

use std::collections::BTreeMap;

use karin_tests::gateway::Gateway;
use karin_tests::http::{Client, Response, form};

/// Somebody who looks at the admin page of one gateway, or of several behind one name.
pub(super) struct Visitor {
    client: Client,
    pub(super) cookies: BTreeMap<String, String>,
}

impl Visitor {
    pub(super) fn new(gateway: &Gateway) -> Self {
        Self { client: gateway.http(), cookies: BTreeMap::new() }
    }

    /// The same browser at another gateway.
    pub(super) fn at(&self, gateway: &Gateway) -> Self {
        Self { client: gateway.http(), cookies: self.cookies.clone() }
    }

    /// One who knows the password and is signed in.
    #[track_caller]
    pub(super) fn signed_in(gateway: &Gateway, password: &str) -> Self {
        let mut visitor = Self::new(gateway);
        let answer = visitor.sign_in(password, "/admin");
        assert_eq!(answer.status, 303, "{answer:?}");
        visitor
    }

    pub(super) fn get(&mut self, path: &str) -> Response {
        self.request("GET", path, &[], b"")
    }

    /// Sends a form with the token of the page it stands on.
    pub(super) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let csrf = self.token();
        self.submit(path, &[fields, &[("csrf", &csrf)]].concat(), &[])
    }

    /// Sends a form as it is.
    pub(super) fn submit(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Response {
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        let headers = [headers, &[kind]].concat();
        self.request("POST", path, &headers, form(fields).as_bytes())
    }

    /// The token of this browser's forms.
    pub(super) fn token(&mut self) -> String {
        let page = self.get("/admin/settings");
        field(page.text(), "csrf").unwrap_or_default()
    }

    pub(super) fn sign_in(&mut self, password: &str, next: &str) -> Response {
        let page = self.get("/admin");
        let csrf = field(page.text(), "csrf").expect("a form");
        let fields = [("csrf", csrf.as_str()), ("password", password), ("next", next)];
        self.submit("/admin/sign-in", &fields, &[])
    }

    pub(super) fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let cookies = cookies.join("; ");
        let mut headers = headers.to_vec();
        if !cookies.is_empty() {
            headers.push(("Cookie", &cookies));
        }
        let answer = self.client.request(method, path, &headers, body);
        for (name, value) in &answer.headers {
            if name.eq_ignore_ascii_case("set-cookie") {
                self.keep(value);
            }
        }
        answer
    }

    fn keep(&mut self, cookie: &str) {
        let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
        if cookie.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// The value of a page's first hidden field of this name.
pub(super) fn field(page: &str, name: &str) -> Option<String> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    Some(rest.split_once('"')?.0.to_owned())
}
