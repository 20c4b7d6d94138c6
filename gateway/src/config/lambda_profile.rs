//! Which tool a Lambda endpoint is.

/// What answers at `--lambda-endpoint`: decides how a function is named there, and what its
/// failure looks like (esm-contract §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LambdaProfile {
    /// Found out by asking the endpoint.
    Auto,
    /// AWS itself, or what answers as it does.
    Aws,
    /// `cargo lambda watch`.
    CargoLambda,
    /// The serverless framework's plugin serverless-offline.
    ServerlessOffline,
    /// `sam local start-lambda`.
    Sam,
    /// AWS's Runtime Interface Emulator, as in AWS's base images.
    Rie,
    /// LocalStack.
    Localstack,
    /// ministack.
    Ministack,
}

/// Every profile and what it is called in the configuration.
const NAMES: [(LambdaProfile, &str); 8] = [
    (LambdaProfile::Auto, "auto"),
    (LambdaProfile::Aws, "aws"),
    (LambdaProfile::CargoLambda, "cargo-lambda"),
    (LambdaProfile::ServerlessOffline, "serverless-offline"),
    (LambdaProfile::Sam, "sam"),
    (LambdaProfile::Rie, "rie"),
    (LambdaProfile::Localstack, "localstack"),
    (LambdaProfile::Ministack, "ministack"),
];

impl LambdaProfile {
    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(profile, _)| *profile == self).map_or("auto", |(_, name)| name)
    }

    /// The profile of this name. Errors: there is none, for people.
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(_, name)| *name == written);
        found.map(|(profile, _)| *profile).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
            format!("{written:?} is none of {}", names.join(", "))
        })
    }
}
