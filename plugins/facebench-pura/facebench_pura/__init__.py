"""Pura: face recognition over data encrypted under a (2,2)-threshold Paillier cryptosystem with fast-subgroup keys."""
