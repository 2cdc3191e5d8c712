//! email-service as a process.

use std::process::ExitCode;

use clap::Parser;

/// Tells customers by email what has become of their orders.
#[derive(Parser)]
#[command(name = "email-service", version)]
struct Args {
    #[command(flatten)]
    service: service::ServiceArgs,
    #[command(flatten)]
    mail: email_service::MailArgs,
}

fn main() -> ExitCode {
    let args: Args = service::parse_args();
    let folder = args.service.data_dir("email-service").join("mail");
    service::run_service("email-service", &args.service, |environment| {
        email_service::run(environment, &args.mail, folder)
    })
}
