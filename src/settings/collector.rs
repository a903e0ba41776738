//! Where traces go, from what people write for it. Must not know what a trace is.

use super::address::shown_host;
use super::layers::Layers;
use crate::schema::Faults;
use crate::telemetry::traces::TracesSettings;

/// Reads `telemetry.otlp_endpoint`.
pub(super) fn read(text: &str, layers: &Layers, faults: &mut Faults) -> Option<TracesSettings> {
    let told = |fault| {
        let message = format!("telemetry.otlp_endpoint: {} cannot be used: {fault}", shown_host(text));
        let advice = "write the collector's base URL, as in \"http://collector.example.com:4318\"";
        faults.add(&layers.place(&["telemetry", "otlp_endpoint"]), message, advice);
    };
    TracesSettings::parse(text).map_err(told).ok()
}
