"""The Python side of a worker: one process that has one model, or those of some plans, and answers the server's calls over a unix socket.

It has no dependencies. numpy is used if the environment has it; without numpy only the forms json, bytes and stream work.
The package is started by its path and is never installed into the environment of the model.
"""
