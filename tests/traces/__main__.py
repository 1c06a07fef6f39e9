"""Write the traces anew."""

from tests.traces import write

write()
