//! A farm of equal front-ends in one pool behind one node: all that the traffic engine needs.
use evenkeel_fakes::spec::Spec;

/// So many front-ends, each of so much capacity, and so many requests a second for all of them.
pub(crate) fn farm(front_ends: usize, load_rps: u32, capacity_rps: u32) -> Spec {
    let front_ends: String = (1..=front_ends)
        .map(|n| {
            format!(
                "[[front_end]]\nname = \"fe-{n}\"\naddress = \"10.0.1.{n}\"\nzones = [\"a\"]\n\
                 capacity_rps = {capacity_rps}\nmembers = {{ pa = \"m{n}\" }}\n"
            )
        })
        .collect();
    let text = format!(
        r#"
        name = "bench"
        stack = "dotnet"
        version_from = "11.1.0.1"
        version_to = "11.2.0.1"
        controller = "fe-1"
        service_center = {{ user = "admin" }}
        zone = [ {{ name = "a", public_name = "a.example", load_rps = {load_rps} }} ]
        balancer = [ {{ name = "lb-1", api = "10.0.0.1:9999" }} ]
        pool = [ {{ name = "pa", zone = "a" }} ]
        {front_ends}
        "#
    );
    toml::from_str(&text).expect("the specimen is a farm")
}
