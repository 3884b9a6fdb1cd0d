//! Errors as HTTP answers: the status and the error object; which status is decided by the error.

use agent_api::{Classify, ErrorBody, ErrorCode};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

/// What a handler answers: the success as JSON, or a failure.
pub type Reply<T> = Result<Json<T>, Failure>;

/// An error on its way to the client.
///
/// Made from any [`Classify`] by `?`. One with [`ErrorCode::Internal`] is logged here, with its
/// causes, because here it stops traveling.
#[derive(Debug)]
pub struct Failure {
    code: ErrorCode,
    body: ErrorBody,
}

/// Marks a response whose body is the error object already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorObject;

impl Failure {
    /// The code that decides the status.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// A failure of a status alone, for answers that no error of ours made.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let code = ErrorCode::from_status(status.as_u16()).unwrap_or(ErrorCode::Internal);
        let message = match code {
            ErrorCode::NotFound => "there is no such route",
            ErrorCode::MethodNotAllowed => "the route does not answer this method",
            _ => status.canonical_reason().unwrap_or("the request was refused"),
        };
        Self { code, body: ErrorBody { message: message.to_owned(), ..ErrorBody::default() } }
    }
}

impl<E: Classify> From<E> for Failure {
    fn from(error: E) -> Self {
        let code = error.code();
        let body = ErrorBody::of(&error);
        if code == ErrorCode::Internal {
            let detail = body.detail.as_deref().unwrap_or_default();
            tracing::error!(message = %body.message, detail, "request failed");
        }
        Self { code, body }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.code.status()).expect("every error code has a valid status");
        let mut response = (status, Json(self.body)).into_response();
        response.extensions_mut().insert(ErrorObject);
        if self.code == ErrorCode::UpgradeRequired {
            // Named by RFC 9110 section 15.5.22 and RFC 6455 section 4.4.
            let headers = response.headers_mut();
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}
