//! The id in a path such as `/v1/orders/{id}`.

use std::fmt;
use std::future::{Ready, ready};
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::problem::{Place, Problem};

/// The one parameter of the path, as an argument of a handler. 422 if it is not a `T`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdInPath<T>(pub T);

impl<T: FromStr<Err: fmt::Display>> FromRequest for IdInPath<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_path(request))
    }
}

fn of_path<T: FromStr<Err: fmt::Display>>(request: &HttpRequest) -> Result<IdInPath<T>, Problem> {
    let path = request.match_info();
    let name = path.iter().next().map_or_else(String::new, |(name, _)| name.to_owned());
    let invalid = |detail: String| Problem::invalid(Place::Parameter(name.clone()), detail);
    let text: String = path.load().map_err(|error| invalid(error.to_string()))?;
    text.parse().map(IdInPath).map_err(|error: T::Err| invalid(error.to_string()))
}
