//! From tracing's events and spans to lines; where lines go is not known here.

use std::{error::Error, fmt, time::SystemTime};

use serde_json::Value;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field as TracingField, Visit},
    level_filters::LevelFilter,
    span::{Attributes, Id, Record as SpanRecord},
    subscriber::Interest,
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

use super::{
    LogFilter, Logs,
    line::{Field, Record, text_value},
};

/// Writes the events of a filter, each with the fields of the spans around it.
#[derive(Debug)]
pub struct LogLayer {
    logs: Logs,
    filter: LogFilter,
}

/// Fields of a span or an event, in the order in which they were recorded.
#[derive(Debug, Default)]
struct Fields {
    message: String,
    fields: Vec<Field>,
}

impl LogLayer {
    pub(super) fn new(logs: Logs, filter: LogFilter) -> Self {
        Self { logs, filter }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.filter.is_enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.filter.is_enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.filter.max_level())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &SpanRecord<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let Fields { message, mut fields } = own;
        for span in ctx.event_scope(event).into_iter().flatten() {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.extend(of_span.fields.iter().cloned());
            }
        }
        self.logs.write(&Record {
            at: SystemTime::now().into(),
            level: event.metadata().level().as_str(),
            target: event.metadata().target(),
            message: &message,
            fields: fields.iter().collect(),
        });
    }
}

impl Fields {
    fn put(&mut self, field: &TracingField, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                // A value recorded later replaces the earlier one.
                self.fields.retain(|(earlier, _)| *earlier != name);
                self.fields.push((name, value));
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &TracingField, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &TracingField, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &TracingField, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &TracingField, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &TracingField, value: &str) {
        self.put(field, text_value(value));
    }

    fn record_error(&mut self, field: &TracingField, value: &(dyn Error + 'static)) {
        self.put(field, text_value(&agent_api::causes(Some(value)).unwrap_or_default()));
    }

    fn record_debug(&mut self, field: &TracingField, value: &dyn fmt::Debug) {
        self.put(field, text_value(&format!("{value:?}")));
    }
}
