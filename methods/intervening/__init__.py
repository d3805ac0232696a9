"""What interpretability people do by hand: patch units, ablate neurons, train probes.

`pairs` finds rows of two classes, `patching` patches units between them and `groups` grows groups
of units patched together; `neurons` samples the Shapley game of ablated units; `probes` fits sparse
linear probes.
"""
