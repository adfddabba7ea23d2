"""Learning theta from the command line: a configuration, a run that survives, and its report.

tables     how a TOML table becomes a checked dataclass
config     what a run is asked
data       where the data come from, and in which units the model sees them
model      the energy whose theta is learned
folder     what a run leaves behind
watch      is the run about to diverge
run        training, piece by piece
assess     the learned law against fresh data
"""
