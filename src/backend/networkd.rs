//! systemd-networkd.
use super::*;
/// systemd-networkd.
pub struct Networkd;
impl Backend for Networkd {
    fn name(&self) -> &'static str {
        "networkd"
    }
    fn detect(&self, _: &Root) -> Result<Stance> {
        Ok(Stance::NotInCharge("not yet".into()))
    }
    fn entries(&self, _: &Root) -> Result<Vec<Entry>> {
        Ok(vec![])
    }
    fn add(&self, _: &Root, _: &[Alias], _: &Situation) -> Result<Plan> {
        Ok(Plan::nothing())
    }
    fn remove(&self, _: &Root, _: &[Entry]) -> Result<Plan> {
        Ok(Plan::nothing())
    }
}
