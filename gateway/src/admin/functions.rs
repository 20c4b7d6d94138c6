//! All functions, those of this machine and AWS's: the front page of what runs on them.

use std::collections::BTreeMap;

use askama::Template;
use axum::Router;
use axum::extract;
use axum::response::Response;
use axum::routing::get;
use hyper::Uri;

use crate::admin::State;
use crate::admin::failure::Failure;
use crate::admin::listing::{Place, Wanted};
use crate::admin::mapping_state::{self, ShownState, plain};
use crate::admin::mappings::Fleet;
use crate::admin::page::{Frame, Section, Visitor, html};
use crate::admin::texts::Texts;
use crate::lambda::{CloudFunction, FleetStatus, FunctionStatus, MappingStatus};

/// Where the list is.
const PATH: &str = "/admin/functions";
/// What a function's URL may be to be a link.
const SCHEMES: [&str; 2] = ["https://", "http://"];
/// Mappings of one function that are shown.
const MAPPINGS_MAX: usize = 20;

pub(super) fn routes() -> Router<State> {
    Router::new().route(PATH, get(show))
}

#[derive(Debug, Template)]
#[template(path = "functions.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    is_any: bool,
    place: Place,
    q: String,
    fleet: Fleet,
}

/// A function in the list.
#[derive(Debug, Default)]
struct Row {
    name: String,
    description: String,
    place: String,
    runtime: String,
    timeout: String,
    memory: String,
    concurrency: String,
    problem: Option<String>,
    urls: Vec<Url>,
    mappings: Vec<(String, String, ShownState)>,
    more: usize,
}

/// A function's URL.
#[derive(Debug)]
struct Url {
    text: String,
    /// `None`: it is no link.
    link: Option<String>,
    /// The alias, and who may use it.
    remark: String,
}

async fn show(
    visitor: Visitor,
    extract::State(state): extract::State<State>,
    uri: Uri,
) -> Result<Response, Failure> {
    let frame = visitor.frame(Section::Functions, visitor.lang.texts().frame.functions);
    let fleet = state.0.control.fleet_status().await;
    let (known, wanted) = (Fleet::of(&fleet), Wanted::of(&uri));
    let rows = rows(fleet, state.0.control.cloud_functions(), frame.t);
    let is_any = !rows.is_empty();
    let found = rows.into_iter().filter(|row| wanted.finds(&[&row.name, &row.description]));
    let (rows, place) = wanted.cut(found.collect(), PATH);
    Ok(html(&Page { frame, rows, is_any, place, q: wanted.q, fleet: known }))
}

/// All functions by name; of one name those that run on gateways come first.
fn rows(fleet: FleetStatus, cloud: Vec<CloudFunction>, texts: &Texts) -> Vec<Row> {
    let mut mapped: BTreeMap<String, Vec<MappingStatus>> = BTreeMap::new();
    for mapping in fleet.trigger.mappings {
        mapped.entry(mapping.function_name.clone()).or_default().push(mapping);
    }
    let mut rows: Vec<(String, u8, Row)> = Vec::new();
    let is_alone = fleet.gateways.len() < 2;
    for (n, gateway) in fleet.gateways.into_iter().enumerate() {
        let place = match n {
            0 if is_alone => texts.functions.here.to_owned(),
            0 => format!("{} ({})", texts.functions.here, gateway.listen),
            _ => plain(&gateway.listen),
        };
        for function in gateway.functions {
            rows.push((function.name.clone(), 0, Row::local(&function, place.clone(), texts)));
        }
    }
    for function in cloud {
        rows.push((function.name.clone(), 1, Row::cloud(&function, texts)));
    }
    for name in mapped.keys() {
        if !rows.iter().any(|(known, ..)| known == name) {
            let place = texts.functions.elsewhere.to_owned();
            rows.push((name.clone(), 2, Row { name: plain(name), place, ..Row::default() }));
        }
    }
    rows.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
    let with_mappings = rows.into_iter().map(|(name, _, row)| {
        row.with_mappings(mapped.get(&name).map(Vec::as_slice).unwrap_or_default(), texts)
    });
    with_mappings.collect()
}

impl Row {
    fn local(function: &FunctionStatus, place: String, texts: &Texts) -> Self {
        let FunctionStatus { processes, idle, processes_max, .. } = function;
        let busy = processes.saturating_sub(*idle);
        Self {
            name: plain(&function.name),
            place,
            timeout: (texts.mappings.seconds)(function.timeout_seconds),
            memory: format!("{} MB", function.memory_megabytes),
            concurrency: (texts.functions.processes)(busy, *idle, *processes_max),
            problem: function.problem.as_deref().map(plain),
            ..Self::default()
        }
    }

    fn cloud(function: &CloudFunction, texts: &Texts) -> Self {
        let concurrency = function.reserved.map(|reserved| match reserved {
            0 => texts.functions.switched_off.to_owned(),
            reserved => (texts.functions.reserved)(reserved),
        });
        let urls = function.urls.iter().map(|(url, alias, auth)| Url::of(url, alias, auth, texts));
        Self {
            name: plain(&function.name),
            description: plain(&function.description),
            place: texts.functions.on_aws.to_owned(),
            runtime: plain(&function.runtime),
            timeout: function.timeout_seconds.map(texts.mappings.seconds).unwrap_or_default(),
            memory: function.memory_megabytes.map(|mb| format!("{mb} MB")).unwrap_or_default(),
            concurrency: concurrency.unwrap_or_default(),
            urls: urls.collect(),
            ..Self::default()
        }
    }

    fn with_mappings(mut self, mappings: &[MappingStatus], texts: &Texts) -> Self {
        self.more = mappings.len().saturating_sub(MAPPINGS_MAX);
        let shown = mappings.iter().take(MAPPINGS_MAX);
        self.mappings = shown
            .map(|mapping| {
                let state = mapping_state::of(mapping, texts);
                (mapping.uuid.clone(), plain(&mapping.queue), state)
            })
            .collect();
        self
    }
}

impl Url {
    fn of(url: &str, alias: &str, auth: &str, texts: &Texts) -> Self {
        let may = match auth {
            "NONE" => texts.functions.open,
            "AWS_IAM" => texts.functions.signed,
            _ => "",
        };
        let remark = if alias.is_empty() { may.to_owned() } else { format!("{alias}, {may}") };
        Self { text: plain(url), link: link(url), remark: plain(&remark) }
    }
}

/// What may be a link: an address of the web, and nothing that runs or hides something.
fn link(url: &str) -> Option<String> {
    let is_web = url.is_ascii() && SCHEMES.iter().any(|scheme| url.starts_with(scheme));
    let uri: Uri = url.parse().ok().filter(|_| is_web)?;
    let authority = uri.authority()?;
    (!authority.as_str().contains('@')).then(|| uri.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_links() {
        let own = "https://abc.lambda-url.eu-west-1.on.aws/";
        assert_eq!(link(own).as_deref(), Some(own));
        assert!(link("http://127.0.0.1:9000/f").is_some());
        for bad in [
            "javascript:alert(1)",
            "JavaScript://x/%0aalert(1)",
            "data:text/html,x",
            "//elsewhere",
            "/admin",
            "",
            "https://",
            "https://good.example@bad.example/",
            "https://x y/",
            "https://x/\u{202E}",
            "ftp://x/",
        ] {
            assert_eq!(link(bad), None, "{bad}");
        }
    }
}
