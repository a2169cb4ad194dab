"""Details are kept only as long as nothing can have changed unheard."""

from __future__ import annotations

from reconciler.adapters.docker_engine.details import Details, Images
from reconciler.model.observed import Container, Image, State

WEB = Container("c1", "shop-web-1", "shop", "web", 1, "", "sha256:1", State.RUNNING)
SEEN = ("running",)


def kept(details: Details) -> bool:
    return details.get("c1", SEEN) is WEB


def put(details: Details, begun: int | None = None) -> None:
    details.put(WEB, SEEN, details.begin() if begun is None else begun)


def test_nothing_is_kept_while_nobody_listens() -> None:
    details = Details()
    put(details)
    assert not kept(details)


def test_what_was_read_is_kept_while_somebody_listens() -> None:
    details = Details()
    details.trust()
    put(details)
    assert kept(details)


def test_a_lost_connection_forgets_all() -> None:
    details = Details()
    details.trust()
    put(details)
    details.distrust()
    assert not kept(details)
    details.trust()
    assert not kept(details)


def test_an_event_forgets_its_container() -> None:
    details = Details()
    details.trust()
    put(details)
    details.drop("c1")
    assert not kept(details)
    put(details)
    assert kept(details)


def test_a_list_that_shows_something_else_is_believed() -> None:
    details = Details()
    details.trust()
    put(details)
    assert details.get("c1", ("exited",)) is None


def test_what_changed_while_it_was_read_is_not_kept() -> None:
    details = Details()
    details.trust()
    begun = details.begin()
    details.drop("c1")
    put(details, begun)
    assert not kept(details)


def test_what_was_read_before_somebody_listened_is_not_kept() -> None:
    details = Details()
    begun = details.begin()
    details.trust()
    put(details, begun)
    assert not kept(details)


def test_a_list_from_before_a_change_does_not_let_an_old_read_in() -> None:
    details = Details()
    details.trust()
    listed = details.begin()
    details.drop("c1")
    details.keep((), listed)
    put(details, listed)
    assert not kept(details)


def test_the_stack_of_a_container_is_remembered_until_it_is_gone() -> None:
    details = Details()
    put(details)
    assert details.stack("c1") == "shop"
    details.keep((), details.begin())
    assert details.stack("c1") is None


def test_images_are_kept_while_somebody_listens_and_until_any_image_changes() -> None:
    images, image = Images(), Image("sha256:1")
    images.put("shop:1", image, images.begin())
    assert images.get("shop:1") is None
    images.trust()
    begun = images.begin()
    images.put("shop:1", image, begun)
    assert images.get("shop:1") is image
    images.drop()
    assert images.get("shop:1") is None
    images.put("shop:1", image, begun)
    assert images.get("shop:1") is None
    images.put("shop:1", image, images.begin())
    images.distrust()
    assert images.get("shop:1") is None
