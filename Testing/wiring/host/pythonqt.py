"""Qt objects as PythonQt shows them to Python.

* A property is an attribute (`w.text`, `w.text = "a"`), also where Qt has a method of the same name.
* `w.connect("clicked(bool)", f)` and `w.clicked.connect(f)`; a function gets as many of the signal's values as it has
  parameters. What it raises is printed, not passed on; here it is also collected in `slot_errors`.
* Reading or writing an unknown attribute raises AttributeError. So does connecting a signature that does not exist,
  which PythonQt only says on the console.
"""

from __future__ import annotations

import inspect
import traceback
import weakref
from collections.abc import Callable
from typing import Any

import shiboken6
from PySide6 import QtCore

slot_errors: list[BaseException] = []
"""What slots have raised since a test looked last."""

_living: weakref.WeakValueDictionary[int, Wrapped] = weakref.WeakValueDictionary()


def wrap(value: Any) -> Any:
    """A Qt object as PythonQt shows it; anything else as it is."""
    if isinstance(value, list | tuple):
        return type(value)(wrap(item) for item in value)
    if isinstance(value, Wrapped) or not _is_qt(value):
        return value
    if not isinstance(value, QtCore.QObject):
        return Wrapped(value)
    key = shiboken6.getCppPointer(value)[0]
    known = _living.get(key)
    if known is None or object.__getattribute__(known, "_object") is not value:
        known = _living[key] = Wrapped(value)
    return known


def unwrap(value: Any) -> Any:
    """The Qt object behind what `wrap` gave."""
    if isinstance(value, list | tuple):
        return type(value)(unwrap(item) for item in value)
    return object.__getattribute__(value, "_object") if isinstance(value, Wrapped) else value


def _is_qt(value: Any) -> bool:
    return isinstance(value, shiboken6.Object)


class Wrapped:
    """One Qt object."""

    __slots__ = ("__weakref__", "_object")

    def __init__(self, qt_object: Any) -> None:
        object.__setattr__(self, "_object", qt_object)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            return object.__getattribute__(self, name)
        target = object.__getattribute__(self, "_object")
        special = _SPECIAL.get(name)
        if special is not None and isinstance(target, QtCore.QObject):
            return lambda *args: special(target, *args)
        if isinstance(target, QtCore.QObject):
            _check_alive(target)
            prop = _property(target, name)
            if prop is not None:
                value = prop.read(target)
                return wrap(value)
            if name.encode() in target.dynamicPropertyNames():
                return wrap(target.property(name))
        # Only what the class says: attributes that Python code has put on the object are not Qt's.
        member = getattr(type(target), name, None)
        if member is None or name.startswith("_"):
            raise AttributeError(f"{type(target).__name__} has no attribute named '{name}'")
        if isinstance(member, QtCore.Signal):
            return BoundSignal(target, name)
        bound = getattr(target, name)
        return _method(bound) if callable(bound) else wrap(bound)

    def __setattr__(self, name: str, value: Any) -> None:
        target = object.__getattribute__(self, "_object")
        prop = _property(target, name) if isinstance(target, QtCore.QObject) else None
        if prop is not None:
            if not prop.isWritable() or not prop.write(target, unwrap(value)):
                raise AttributeError(
                    f"Property '{name}' of type '{prop.typeName()}' does not accept {type(value).__name__} ({value!r})"
                )
            return
        if isinstance(target, QtCore.QObject) and name.encode() in target.dynamicPropertyNames():
            target.setProperty(name, value)
            return
        if hasattr(type(target), name):
            raise AttributeError(f"Slot '{name}' can not be overwritten on {type(target).__name__} object")
        raise AttributeError(f"{type(target).__name__} has no attribute named '{name}'")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Wrapped):
            return False
        return bool(unwrap(self) is unwrap(other) or unwrap(self) == unwrap(other))

    def __hash__(self) -> int:
        return hash(unwrap(self))

    def __repr__(self) -> str:
        return f"<{type(unwrap(self)).__name__}>"


class BoundSignal:
    """`w.clicked`: of overloads, the first that was declared."""

    def __init__(self, target: QtCore.QObject, name: str) -> None:
        self._target, self._name = target, name

    def connect(self, function: Callable[..., Any]) -> None:
        """Call `function` when the signal is emitted."""
        _connections(self._target).append((self._name, function, _connect(self._signal(), function)))

    def disconnect(self, function: Callable[..., Any]) -> None:
        """Undo `connect`. Raises ValueError where it was not connected."""
        _disconnect(self._target, self._name, self._signal(), function)

    def emit(self, *args: Any) -> None:
        """Emit the signal."""
        self._signal().emit(*unwrap(args))

    __call__ = emit

    def _signal(self) -> Any:
        meta = self._target.metaObject()
        for index in range(meta.methodCount()):
            method = meta.method(index)
            if method.methodType() == QtCore.QMetaMethod.MethodType.Signal and method.name() == self._name:
                return _by_signature(self._target, method.methodSignature().data().decode())
        return getattr(self._target, self._name)


def connect(target: QtCore.QObject, signature: str, function: Callable[..., Any]) -> bool:
    """`w.connect("clicked(bool)", f)`. Raises AttributeError for a signal that the class does not have."""
    _connections(target).append((signature, function, _connect(_by_signature(target, signature), function)))
    return True


def disconnect(target: QtCore.QObject, signature: str, function: Callable[..., Any]) -> bool:
    """Undo `connect`."""
    return _disconnect(target, signature, _by_signature(target, signature), function)


def has_signal(target: QtCore.QObject, signature: str) -> bool:
    """Whether the class has a signal of exactly this C++ signature."""
    declared = getattr(type(target), "SIGNALS", {})
    normal = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
    return normal in declared or target.metaObject().indexOfSignal(normal) >= 0


def _by_signature(target: QtCore.QObject, signature: str) -> Any:
    if not has_signal(target, signature):
        raise AttributeError(f"{type(target).__name__} has no signal {signature}")
    normal = QtCore.QMetaObject.normalizedSignature(signature).data().decode()
    name, _, types = normal.rstrip(")").partition("(")
    signal = getattr(target, getattr(type(target), "SIGNALS", {}).get(normal, name))
    try:
        return signal[types] if types and normal not in getattr(type(target), "SIGNALS", {}) else signal
    except (IndexError, KeyError, TypeError):
        return signal  # it has one form only


def _connect(signal: Any, function: Callable[..., Any]) -> Callable[..., None]:
    wanted = _parameter_count(function)

    def slot(*values: Any) -> None:
        try:
            function(*wrap(values if wanted is None else values[:wanted]))
        except Exception as error:
            traceback.print_exc()
            slot_errors.append(error)

    signal.connect(slot)
    return slot


def _disconnect(target: QtCore.QObject, name: str, signal: Any, function: Callable[..., Any]) -> bool:
    made = _connections(target)
    for entry in made:
        if entry[0] == name and entry[1] == function:
            signal.disconnect(entry[2])
            made.remove(entry)
            return True
    raise ValueError(f"{name} is not connected to {function}")


def _connections(target: QtCore.QObject) -> list[Any]:
    known: list[Any] | None = getattr(target, "_wiring", None)
    if known is None:
        known = []
        target._wiring = known  # type: ignore[attr-defined]
    return known


def _parameter_count(function: Callable[..., Any]) -> int | None:
    """How many values PythonQt passes: as many as the code has positional parameters; None for all of them."""
    method = inspect.ismethod(function)
    plain = function.__func__ if method else function  # type: ignore[attr-defined]
    code = getattr(plain, "__code__", None)
    if code is None or code.co_flags & inspect.CO_VARARGS:
        return None
    return int(code.co_argcount) - int(method)


def _method(bound: Any) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        return wrap(bound(*unwrap(args)))

    return call


def _property(target: QtCore.QObject, name: str) -> QtCore.QMetaProperty | None:
    index = target.metaObject().indexOfProperty("objectName" if name == "name" else name)
    return target.metaObject().property(index) if index >= 0 else None


def _check_alive(target: QtCore.QObject) -> None:
    if not shiboken6.isValid(target):
        raise ValueError(f"Trying to use a destroyed {type(target).__name__} object")


_SPECIAL: dict[str, Callable[..., Any]] = {
    "connect": connect,
    "disconnect": disconnect,
    "className": lambda target: target.metaObject().className(),
    "property": lambda target, name: wrap(target.property(name)),
    "findChildren": lambda target, kind, name="": wrap(target.findChildren(unwrap_class(kind), name or None)),
    "delete": lambda target: shiboken6.delete(target),
}


def unwrap_class(kind: Any) -> Any:
    """The PySide6 class behind a class of the module `qt`."""
    return getattr(kind, "qt_class", kind)
