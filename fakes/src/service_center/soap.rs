//! `OutSystemsPlatform.asmx`: `GetPlatformInfo`, without login, in SOAP 1.1 and 1.2.
use sha2::{Digest, Sha256};

use crate::database::hex;
use crate::farm::Farm;
use crate::front_end::FrontEnd;
use crate::http::{Answer, Method, Request, escape};
use crate::truth::SoapVersion;

pub(super) fn answer(farm: &Farm, front_end: &FrontEnd, request: &Request) -> Answer {
    if request.method != Method::Post {
        return Answer::error(501, "This double of Service Center answers SOAP requests only.");
    }
    let envelope = String::from_utf8_lossy(&request.body);
    let newer = request
        .content_type
        .as_deref()
        .is_some_and(|content_type| content_type.starts_with("application/soap+xml"));
    let (namespace, content_type) = if newer {
        ("http://www.w3.org/2003/05/soap-envelope", "application/soap+xml; charset=utf-8")
    } else {
        ("http://schemas.xmlsoap.org/soap/envelope/", "text/xml; charset=utf-8")
    };
    let asked = envelope.contains("Envelope") && envelope.contains("GetPlatformInfo");
    let (status, body) = if asked {
        let version = match farm.truth.soap_version {
            SoapVersion::Build => front_end.console_build(),
            SoapVersion::Database => farm.database.version(),
        };
        let version = escape(version);
        let serial = serial(&farm.spec.name);
        let body = format!(
            "<GetPlatformInfoResponse xmlns=\"http://www.outsystems.com\">\
             <Version>{version}</Version><Serial>{serial}</Serial></GetPlatformInfoResponse>"
        );
        (200, body)
    } else {
        let fault = "<soap:Fault><faultcode>soap:Client</faultcode><faultstring>Server did not \
                     recognize the value of HTTP Header SOAPAction; this double knows \
                     GetPlatformInfo.</faultstring></soap:Fault>";
        (500, fault.to_owned())
    };
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><soap:Envelope xmlns:soap=\"{namespace}\">\
         <soap:Body>{body}</soap:Body></soap:Envelope>"
    );
    Answer { content_type, ..Answer::html(status, body) }
}

/// The installation's serial number: 24 characters in groups, the same on every server.
fn serial(farm: &str) -> String {
    let digits = hex(&Sha256::digest(farm.as_bytes())[..10]).to_uppercase();
    let groups: Vec<_> = (0..5).map(|group| &digits[group * 4..group * 4 + 4]).collect();
    groups.join("-")
}
