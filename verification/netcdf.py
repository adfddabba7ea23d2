"""Datasets as groups of one netCDF file, made in memory and sealed.

HDF5 does not survive a disk that fills while it writes (the process dies of it later), and may not
survive a damaged file. So a file is made in memory and written like any other; the digest of its
bytes stands behind their end, where readers of netCDF do not look, and is checked before HDF5
sees them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lvebm_theory.errors import ArgumentError

from .keeping import digest_of, written_aside

if TYPE_CHECKING:
    import xarray

ENGINE: Final = "h5netcdf"
_SEAL: Final = b"\nlvebm-sha256 "
_LENGTH: Final = len(_SEAL) + 64


def write_datasets(
    target: Path,
    groups: Mapping[str, xarray.Dataset],
    encodings: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Datasets by the name of their group, in this order; ``""`` is the root.

    Parameters
    ----------
    encodings : mapping, optional
        By group, xarray's encodings of its variables.
    """
    import h5netcdf
    from xarray.backends import H5NetCDFStore

    memory = io.BytesIO()
    with h5netcdf.File(memory, "w") as file:
        for name, dataset in groups.items():
            group = _group(file, name)
            dataset.dump_to_store(
                H5NetCDFStore(group), encoding=dict((encodings or {}).get(name, {}))
            )
    data = memory.getvalue()
    with written_aside(target) as aside:
        aside.write_bytes(data + _SEAL + digest_of(data).encode())


def _group(file: Any, name: str) -> Any:
    group = file
    for part in filter(None, name.split("/")):
        group = group.groups[part] if part in group.groups else group.create_group(part)
    return group


def read_datasets(source: Path) -> dict[str, xarray.Dataset]:
    """Every group that holds variables, by its name, in the order in which it was written.

    Raises
    ------
    FileNotFoundError
    ArgumentError
        The file was altered or damaged, or was not written by ``write_datasets``.
    """
    import h5netcdf
    import xarray
    from xarray.backends import H5NetCDFStore

    try:
        data = source.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArgumentError(f"cannot read {source}: {error.strerror}") from error
    body, seal = data[:-_LENGTH], data[-_LENGTH:]
    if seal != _SEAL + digest_of(body).encode():
        raise ArgumentError(
            f"{source} cannot be used: it was altered or damaged (its digest is not of its content)"
        )
    found: dict[str, xarray.Dataset] = {}
    with h5netcdf.File(io.BytesIO(body), "r") as file:
        for name in _with_variables(file):
            # to close one group would close the file
            found[name] = xarray.open_dataset(H5NetCDFStore(_group(file, name))).load()
    return found


def _with_variables(group: Any) -> list[str]:
    """Paths of the groups below one that hold variables, its own first."""
    own = [group.name.strip("/")] if group.variables else []
    return own + [name for child in group.groups.values() for name in _with_variables(child)]
