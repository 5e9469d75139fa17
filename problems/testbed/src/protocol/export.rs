//! The instances for other programs.

use serde_json::{Value, json};

use super::{Settings, chen};
use crate::functions::BlackBox;

/// Everything that another program needs to make the same problems: Chen's instances by their
/// [`Placement`](crate::functions::Placement)s, BBOB's by their numbers.
pub fn export(settings: &Settings) -> Value {
    let functions: Vec<Value> = chen::instances(settings)
        .iter()
        .filter_map(|instances| {
            let first = instances.first()?;
            let placements: Vec<_> = instances.iter().map(|instance| &instance.placement).collect();
            // One value, so that the other program can tell whether it computes the same.
            let check: Vec<f64> =
                instances.iter().map(|instance| instance.value(&vec![0.3; instance.dim()])).collect();
            Some(json!({
                "name": first.name(),
                "function": first.function,
                "dimension": first.dim(),
                "optimum": first.optimum(),
                "instances": placements,
                "values_at_0.3": check,
            }))
        })
        .collect();
    json!({
        "seed": settings.seed,
        "chen": { "evaluations": chen::EVALUATIONS, "functions": functions },
        "bbob": { "dimensions": settings.dims, "instances": settings.instances },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn four_functions_with_their_instances() {
        let settings = Settings { repeats: 3, seed: 9, ..Settings::default() };
        let value = export(&settings);
        let functions = value["chen"]["functions"].as_array().unwrap();
        let names: Vec<_> = functions.iter().map(|f| f["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["branin", "goldstein-price", "hartmann3", "hartmann6"]);
        assert!(functions.iter().all(|f| f["instances"].as_array().unwrap().len() == 3));
        assert_eq!(functions[3]["instances"][0]["axes"].as_array().unwrap().len(), 6);
        assert_eq!(value, export(&settings));
        assert_ne!(value, export(&Settings { seed: 10, ..settings }));
    }
}
