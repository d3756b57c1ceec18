"""Clinical data in: parse, de-identify, count. Nothing of this room touches keys, chain or network."""
