"""What interpretability people do by hand: patch units, ablate neurons, train probes.

`finding` finds rows of two classes and `pairs` pairs them, `patching` patches units between them
and `groups` grows groups of units patched together; `neurons` samples the Shapley game of ablated
units; `probes` fits sparse linear probes.
"""
