//! Weights: strict safetensors, and published checkpoints read without executing anything.
//!
//! | file | what it does |
//! | --- | --- |
//! | `config` | what a network was made and trained for |
//! | `file` | our files: safetensors whose metadata holds the configuration |
//! | `shapes` | the name and shape of every tensor of a configuration |
//! | `mix` | weights between two others |
//! | `formula` | weights made from their names, for tests |
//! | `differences` | what is missing, extra and misshaped, in words |
//! | `pickle`, `pickle_machine`, `pickle_input`, `pickle_value` | Python's pickle format as inert data |
//! | `torch`, `torch_tensor` | PyTorch's two checkpoint layouts |
//! | `import` | a published checkpoint to [`Weights`] |
//! | `resnet` | a torchvision ResNet-18 as the beginning of the encoders |
//! | `summary` | the text of `dro weights show` |

mod config;
mod differences;
mod file;
mod formula;
mod import;
mod mix;
mod pickle;
mod pickle_input;
mod pickle_machine;
mod pickle_value;
mod resnet;
mod shapes;
mod summary;
#[cfg(test)]
mod test_checkpoint;
mod torch;
mod torch_tensor;

pub use config::{ModelConfig, StartValues};
pub use file::Weights;
pub use formula::formula_weights;
pub use import::{ImportOverrides, ImportReport, import_checkpoint};
pub use resnet::resnet18_encoders;
pub use shapes::expected_shapes;
pub use summary::{Summary, TensorSummary, summary};
