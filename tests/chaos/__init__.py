"""Kill tests: servers and workers are killed, frozen, added and removed at random under load; then all is counted again.

`feed.py` sends known documents, `fleet.py` has the workers, `arenas.py` the servers and what happens to them, `events.py`
draws and does it, `recount.py` counts independently, `campaign.py` puts a run together. `copies.py` has what comes more than
once, `marks.py` what tells such documents apart; the three `*_worker.py` are saboteurs that a run must find out.
"""
