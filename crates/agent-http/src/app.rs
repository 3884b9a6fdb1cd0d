//! One request from its head to its answer, in the protocol's order: peer, host, origin, token,
//! route, method, headers, then the handler; what a handler does is not known here.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use agent_api::{
    ErrorCode, Method as RouteMethod,
    routes::{self, Route},
};
use axum::{
    Router,
    body::Body,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Version, header};
use tower::ServiceExt;
use tracing::{Instrument, info_span};

use crate::{
    Access, Failure, Observer, Peer,
    admission::{self, AdmissionError},
    chat,
    failure::ErrorObject,
    request_id::{self, REQUEST_ID},
    serve::{Link, Requests, StreamHost, Streams},
    waiting::Slot,
};

/// The router behind the checks of every request.
pub(crate) struct App {
    pub(crate) router: Router,
    pub(crate) access: Access,
    pub(crate) requests: Arc<Requests>,
    pub(crate) streams: Arc<Streams>,
    pub(crate) observer: Arc<dyn Observer>,
}

/// Request headers that a page of an allowed origin may send.
const ALLOWED_HEADERS: &str = "Authorization, Content-Type, Coder-Chat-Id, \
     Coder-Ancestor-Chat-Ids, If-Match, If-None-Match, If-Range, Last-Event-ID, Range, Request-Id";
/// Response headers that such a page may read besides the usual ones.
const EXPOSED_HEADERS: &str = "Accept-Ranges, Agent-Body-End-Bytes, Agent-Body-Start-Bytes, \
     Agent-Content-Cut, Agent-Journal-End-Bytes, Agent-Journal-Start-Bytes, Agent-Output-Closed, \
     Agent-Running, Content-Range, ETag, Request-Id";

impl App {
    /// Answers one request; never fails and never panics.
    pub(crate) async fn answer(
        &self,
        peer: &Peer,
        link: Link,
        mut request: Request<Body>,
    ) -> Response {
        let started = Instant::now();
        let id = request_id::choose(request.headers().get(&REQUEST_ID));
        let version = request.version();
        let route = routes::find(request.method().as_str(), request.uri().path());
        let operation = route.map_or("unknown", |route| route.operation);
        let span = info_span!(
            "http.request",
            request.id = id.to_str().unwrap_or_default(),
            operation,
            peer = %peer.address,
        );
        request.extensions_mut().insert(peer.clone());
        let streams = Arc::clone(&self.streams);
        request.extensions_mut().insert(StreamHost { streams, operation, link });
        let (uri, headers) = (request.uri(), request.headers());
        let origin = admission::check_source(&self.access, peer, uri, headers);
        let mut response = match origin {
            Err(error) => Failure::from(error).into_response(),
            Ok(origin) => {
                let work = self.admitted(peer, route, origin.is_some(), request);
                let caught = AssertUnwindSafe(work.instrument(span.clone())).catch_unwind().await;
                let mut response = caught.unwrap_or_else(|_| panicked(operation));
                allow_origin(response.headers_mut(), origin);
                response
            }
        };
        response = with_error_object(response);
        // After a 101 the connection is no longer HTTP's to close.
        let is_http = response.status() != StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if is_http && self.requests.is_draining() && version <= Version::HTTP_11 {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let status = response.status().as_u16();
        self.observer.request(operation, status, started.elapsed());
        tracing::debug!(parent: &span, status, "answered");
        response
    }

    async fn admitted(
        &self,
        peer: &Peer,
        route: Option<&'static Route>,
        has_origin: bool,
        mut request: Request<Body>,
    ) -> Response {
        match self.admit(peer, route, has_origin, &request) {
            Err(failure) => refused(failure),
            Ok(Admitted::Preflight) => preflight(),
            Ok(Admitted::Unlimited) => self.route(request).await,
            Ok(Admitted::Limited) => {
                let slot = Slot::acquire(&self.requests).await;
                request.extensions_mut().insert(slot.clone());
                let response = self.route(request).await;
                slot.release();
                response
            }
        }
    }

    fn admit(
        &self,
        peer: &Peer,
        route: Option<&'static Route>,
        has_origin: bool,
        request: &Request<Body>,
    ) -> Result<Admitted, Failure> {
        if has_origin && admission::is_preflight(request.method()) {
            return Ok(Admitted::Preflight);
        }
        if self.requests.is_draining() {
            return Err(AdmissionError::ShuttingDown.into());
        }
        if route.is_some_and(is_public) {
            return Ok(Admitted::Unlimited);
        }
        admission::check_token(&self.access, peer, request.headers())?;
        if route.is_some_and(|route| is_method_of(request.method(), route)) {
            admission::check_headers(request.headers())?;
            chat::caller(request.headers())?;
        }
        Ok(Admitted::Limited)
    }

    async fn route(&self, request: Request<Body>) -> Response {
        let answer = self.router.clone().oneshot(request).await;
        answer.unwrap_or_else(|never| match never {})
    }
}

enum Admitted {
    Preflight,
    /// Needs no slot, so that it is answered while every slot is taken.
    Unlimited,
    Limited,
}

fn is_public(route: &Route) -> bool {
    *route == routes::GET_GREETING || *route == routes::CHECK_HEALTH
}

fn is_method_of(method: &Method, route: &Route) -> bool {
    let is_get = route.method == RouteMethod::Get;
    method.as_str() == route.method.as_str() || (method == Method::HEAD && is_get)
}

fn refused(failure: Failure) -> Response {
    let code = failure.code();
    let mut response = failure.into_response();
    if code == ErrorCode::Unauthenticated {
        let scheme = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    }
    response
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let methods = HeaderValue::from_static("GET, HEAD, POST, DELETE, OPTIONS");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    let allowed = HeaderValue::from_static(ALLOWED_HEADERS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn allow_origin(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    let Some(origin) = origin else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let exposed = HeaderValue::from_static(EXPOSED_HEADERS);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

fn panicked(operation: &'static str) -> Response {
    // The panic hook has logged where; this says which operation it cost.
    tracing::error!(operation, "a handler panicked");
    Failure::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// Gives an error that no handler of ours made (unknown route, other method) the error object.
fn with_error_object(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<ErrorObject>().is_some() {
        return response;
    }
    let (parts, _) = response.into_parts();
    let mut replaced = Failure::of_status(status).into_response();
    for (name, value) in &parts.headers {
        let is_of_the_body = matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH);
        if !is_of_the_body {
            replaced.headers_mut().append(name, value.clone());
        }
    }
    replaced
}
