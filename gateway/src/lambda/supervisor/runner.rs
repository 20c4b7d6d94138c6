//! Where a function runs that somebody wants to run by hand.

use std::sync::Arc;

use crate::lambda::invoke::Target;
use crate::lambda::mapping::function_name;
use crate::lambda::records::{Runner, Source};
use crate::lambda::supervisor::{Supervisor, TIMEOUT_UNKNOWN};

impl Supervisor {
    /// As the mapping has it, served here or not; if it is gone, as its function is known.
    pub(super) fn runner(&mut self, source: &Source) -> Runner {
        let (name, function) = (function_name(&source.function), &source.function);
        let local = self.local_function(function);
        let limit = match &local {
            Some(local) => local.processes(),
            None => self.sources.aws.catalog.reserved_for(function).unwrap_or(u32::MAX),
        };
        let gate = self.function_gates.named(name, limit);
        if let Some(local) = local {
            return Runner { timeout: local.timeout(), target: Target::Local(local), gate };
        }
        let mapping_says = self.view.borrow().mappings.iter().find_map(|served| {
            let is_its = served.mapping.uuid == source.mapping;
            served.mapping.timeout.filter(|_| is_its)
        });
        let known = mapping_says.or_else(|| self.sources.catalog.timeout_of(function));
        let target = Target::Aws { aws: Arc::clone(&self.aws), function: function.clone() };
        Runner { timeout: known.unwrap_or(TIMEOUT_UNKNOWN), target, gate }
    }
}
