"""The backend 'cpu' of AFNO, in C."""
