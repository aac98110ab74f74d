//! Which device computes. A device that is not there is an error, never a fallback.

use std::fmt;
use std::str::FromStr;

use candle_core::{Device, DeviceLocation};

use super::error::NnError;

/// A device as a person names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
    /// `cpu`.
    #[default]
    Cpu,
    /// `cuda:N`, the N-th NVIDIA card.
    Cuda(usize),
    /// `metal`.
    Metal,
    /// `auto`: the first card that this build can use and this machine has, else the processor.
    Auto,
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(card) => write!(f, "cuda:{card}"),
            Self::Metal => f.write_str("metal"),
            Self::Auto => f.write_str("auto"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = NnError;

    fn from_str(word: &str) -> Result<Self, NnError> {
        let unknown = || NnError::UnknownDevice { word: word.to_owned() };
        match word {
            "cpu" => Ok(Self::Cpu),
            "metal" => Ok(Self::Metal),
            "auto" => Ok(Self::Auto),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let card = word.strip_prefix("cuda:").ok_or_else(unknown)?;
                Ok(Self::Cuda(card.parse().map_err(|_| unknown())?))
            }
        }
    }
}

/// Opens a device. What `auto` takes is told by [`taken`].
///
/// # Errors
/// [`NnError::Device`] when it is not there or this build cannot use it.
pub fn device(choice: DeviceChoice) -> Result<Device, NnError> {
    let absent =
        |reason: String, remedy: &str| NnError::Device { name: choice.to_string(), reason, remedy: remedy.to_owned() };
    match choice {
        DeviceChoice::Cpu => Ok(Device::Cpu),
        DeviceChoice::Cuda(_) if !cfg!(feature = "cuda") => Err(absent(
            "this build has no CUDA".to_owned(),
            "build with `--features cuda` on a machine with the CUDA toolkit, or choose `cpu`",
        )),
        DeviceChoice::Cuda(card) => Device::new_cuda(card)
            .map_err(|e| absent(e.to_string(), "`nvidia-smi` lists the cards; choose one of them or `cpu`")),
        DeviceChoice::Metal if !cfg!(feature = "metal") => {
            Err(absent("this build has no Metal".to_owned(), "build with `--features metal` on a Mac, or choose `cpu`"))
        }
        DeviceChoice::Metal => {
            Device::new_metal(0).map_err(|e| absent(e.to_string(), "Metal needs a Mac with a GPU; choose `cpu`"))
        }
        DeviceChoice::Auto => {
            let cards = [DeviceChoice::Cuda(0), DeviceChoice::Metal];
            Ok(cards.into_iter().find_map(|card| device(card).ok()).unwrap_or(Device::Cpu))
        }
    }
}

/// The word for a device that was opened.
pub fn taken(device: &Device) -> String {
    match device.location() {
        DeviceLocation::Cpu => "cpu".to_owned(),
        DeviceLocation::Cuda { gpu_id } => format!("cuda:{gpu_id}"),
        DeviceLocation::Metal { .. } => "metal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_what_is_there_and_says_it() {
        let word = taken(&device(DeviceChoice::Auto).unwrap());
        assert!(device(word.parse().unwrap()).is_ok(), "{word}");
        assert_eq!(taken(&Device::Cpu), "cpu");
    }

    #[test]
    fn words_are_read_and_written_back() {
        for word in ["cpu", "metal", "cuda:0", "cuda:3", "auto"] {
            assert_eq!(word.parse::<DeviceChoice>().unwrap().to_string(), word);
        }
        assert_eq!("cuda".parse::<DeviceChoice>().unwrap(), DeviceChoice::Cuda(0));
        for word in ["gpu", "cuda:", "cuda:x", "CPU", ""] {
            assert!(matches!(word.parse::<DeviceChoice>(), Err(NnError::UnknownDevice { .. })), "{word}");
        }
    }

    #[test]
    fn absent_device_is_an_error_and_no_fallback() {
        assert!(device(DeviceChoice::Cpu).unwrap().is_cpu());
        // Card 4096 is on no machine, whatever this build can use.
        let error = device(DeviceChoice::Cuda(4096)).unwrap_err();
        assert!(matches!(&error, NnError::Device { name, .. } if name == "cuda:4096"), "{error}");
    }
}
