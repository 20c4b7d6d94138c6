//! The functions of this machine, the mappings of the configuration, and AWS.

use super::{Finding, Level};
use crate::{
    config::{Config, MappingSpec},
    filter::Filters,
    lambda,
};

pub(super) fn look(config: &Config) -> Vec<Finding> {
    let local = lambda::local_problems(config);
    let functions = local.iter().map(|(name, problem)| {
        let subject = format!("function {name}");
        match problem {
            None => Finding::new(Level::Ok, subject, "can be run"),
            Some(problem) => Finding::new(Level::Problem, subject, problem.as_str()),
        }
    });
    let is_local = |name: &str| local.iter().any(|(other, _)| other == name);
    let mappings = config.mappings.iter().flat_map(|mapping| look_at(mapping, config, &is_local));
    functions.chain(mappings).chain([aws(config)]).collect()
}

fn look_at(
    mapping: &MappingSpec,
    config: &Config,
    is_local: &impl Fn(&str) -> bool,
) -> Vec<Finding> {
    let MappingSpec { queue, function, filters, .. } = mapping;
    let subject = format!("mapping {queue}={function}");
    let target = if is_local(function) {
        Finding::new(Level::Ok, subject.as_str(), "invokes the function of this machine")
    } else if let Some(endpoint) = &config.lambda_endpoint {
        Finding::new(Level::Ok, subject.as_str(), format!("invokes it at {endpoint}"))
    } else if config.has_aws {
        Finding::new(Level::Ok, subject.as_str(), "invokes it on AWS")
    } else {
        Finding::new(
            Level::Problem,
            subject.as_str(),
            "there is no such --function, no --lambda-endpoint and no AWS credentials",
        )
    };
    let remarks = filters.iter().flat_map(Filters::remarks);
    let remarks = remarks.map(|remark| Finding::new(Level::Warning, subject.as_str(), remark));
    std::iter::once(target).chain(remarks.collect::<Vec<_>>()).collect()
}

fn aws(config: &Config) -> Finding {
    let text = match (config.sync_interval, &config.lambda_endpoint) {
        (None, _) => "mappings are not read from AWS".to_owned(),
        (Some(every), None) => format!("mappings are read from AWS every {} s", every.as_secs()),
        (Some(every), Some(endpoint)) => {
            format!("mappings are read from {endpoint} every {} s", every.as_secs())
        }
    };
    let level = match config.sync_interval {
        Some(_) if !config.has_aws => Level::Warning,
        _ => Level::Ok,
    };
    let missing = if level == Level::Ok { "" } else { ", for which there are no credentials" };
    Finding::new(level, "AWS", text + missing)
}
