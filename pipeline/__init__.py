"""The machine that joins receivers, processors and exporters, and names none of them."""
