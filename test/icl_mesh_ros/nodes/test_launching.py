"""Arguments that the launch files refuse before they start anything; their final log line."""

from __future__ import annotations

import re

import pytest

from icl_mesh_ros.launching import checks as launching
from icl_mesh_ros.launching import dds
from icl_mesh_ros.nodes.mesh_nodes import make_nodes


def refused(said: str):
    return pytest.raises(ValueError, match=f"^{re.escape(said)}")


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("5", float, 5.0),
        ("1e-2", float, 0.01),
        ("-3", int, -3),
        ("True", bool, True),
        ("0", bool, False),
        ("0", str, "0"),
    ],
)
def test_arguments_become_values_of_their_kinds(text, kind, value):
    result = launching.value_of("argument", text, kind)
    assert result == value
    assert type(result) is kind


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("fast", float, "rate is 'fast', but must be a number, as in rate:=5"),
        ("nan", float, "rate is 'nan', but must be a number"),
        ("inf", float, "rate is 'inf', but must be a number"),
        ("5.5", int, "rate is '5.5', but must be a whole number"),
        ("yes", bool, "rate is 'yes', but must be true or false, as in rate:=true"),
    ],
)
def test_other_texts_are_refused_by_name(text, kind, said):
    with refused(said):
        launching.value_of("rate", text, kind)


def test_files_must_exist(tmp_path):
    path = tmp_path / "a.yaml"
    with refused(f"params_file is '{path}', which does not exist: give the path of a file"):
        launching.existing_file("params_file", str(path))
    with refused(f"params_file is '{tmp_path}', which is a folder"):
        launching.existing_file("params_file", str(tmp_path))
    path.touch()
    assert launching.existing_file("params_file", str(path)) == str(path)


def test_a_dds_profile_must_be_xml(tmp_path):
    path = tmp_path / "profile.xml"
    with refused(f"dds_profile is '{path}', which does not exist"):
        launching.existing_profile(str(path))
    path.write_text("<profiles>")
    with refused(f"dds_profile is '{path}', which is no XML (no element found"):
        launching.existing_profile(str(path))
    path.write_text("<profiles/>")
    assert launching.existing_profile(str(path)) == str(path)


def test_a_width_comes_with_a_height():
    launching.checked_size(0, 0)
    launching.checked_size(1280, 720)
    with refused("width is 1280, but height is not given: a webcam is asked for both, as in"):
        launching.checked_size(1280, 0)
    with refused("height is 720, but width is not given"):
        launching.checked_size(0, 720)


def test_cameras_are_names_without_leading_or_trailing_slashes():
    assert launching.camera_names(["front", "/robot/left/"]) == ["front", "robot/left"]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ([], "cameras must name one namespace or more, as in front,left"),
        (["front", "/"], "cameras must name one namespace or more"),
        (["front", "front"], "cameras names 'front' twice (front,front): each camera needs"),
        (["front", "left", "/front/"], "cameras names 'front' twice (front,left,front)"),
        (["a/b", "a_b"], "cameras names 'a/b' and 'a_b', whose frames and body ids would both"),
        (["front cam"], "cameras holds 'front cam', which is no namespace: letters, digits and _"),
        (["1front"], "cameras holds '1front', which is no namespace"),
        (["front//left"], "cameras holds 'front//left', which is no namespace"),
    ],
)
def test_other_cameras_are_refused(listed, said):
    with refused(said):
        launching.camera_names(listed)


def test_mesh_nodes_refuses_the_same_cameras():
    with refused("mesh_nodes names 'a/b' and 'a_b', whose frames and body ids would both start"):
        make_nodes(["a/b", "a_b"])


def test_a_bag_to_play_is_a_bag(tmp_path):
    with refused(f"bag is '{tmp_path}/drive', which does not exist: give the folder of a rosbag2"):
        launching.bag_to_play(f"{tmp_path}/drive")
    with refused(f"bag is '{tmp_path}', a folder without metadata.yaml: give the folder of a"):
        launching.bag_to_play(str(tmp_path))
    (tmp_path / "notes.txt").touch()
    with refused(f"bag is '{tmp_path}/notes.txt', which is neither a folder nor a .mcap or .db3"):
        launching.bag_to_play(f"{tmp_path}/notes.txt")
    (tmp_path / "drive.mcap").touch()
    assert launching.bag_to_play(f"{tmp_path}/drive.mcap") == tmp_path / "drive.mcap"
    (tmp_path / "metadata.yaml").touch()
    assert launching.bag_to_play(f"{tmp_path}/") == tmp_path


def test_a_new_bag_never_has_the_name_of_an_old_one(tmp_path, monkeypatch):
    drive = tmp_path / "drive"
    drive.mkdir()
    for name in ("drive_humans", "drive_humans_2", "drive_humans_3"):
        path = launching.bag_to_record("", drive)
        assert path == tmp_path / name
        path.mkdir()
    with refused(f"output is '{tmp_path}/drive_humans', which exists, and a bag is never"):
        launching.bag_to_record(f"{tmp_path}/drive_humans", drive)
    assert launching.bag_to_record("elsewhere/new", drive).parts == ("elsewhere", "new")
    (tmp_path / "file.db3").touch()
    assert launching.bag_to_record("", tmp_path / "file.db3") == tmp_path / "file_humans"
    monkeypatch.chdir(drive)
    assert launching.bag_to_record("", launching.Path()) == tmp_path / "drive_humans_4"


def test_the_end_is_logged_with_the_reason_that_the_process_wrote():
    lines = [
        "[FATAL] [1764.5] [mesh_node]: no weights",
        "[INFO] [1764.6] [mesh_node]: going",
        "",
    ]
    assert launching.why_ended("mesh_node-1", 1, lines) == (
        "mesh_node-1 ended with exit status 1, and everything with it: no weights"
    )
    assert launching.why_ended("ros2-2", 2, ["usage: ros2", "invalid choice: 'bag'"]) == (
        "ros2-2 ended with exit status 2, and everything with it: invalid choice: 'bag'"
    )
    assert launching.why_ended("mesh_node-1", 1, ["[INFO] [1764.6] [mesh_node]: going"]) == (
        "mesh_node-1 ended with exit status 1, and everything with it"
    )
    assert launching.why_ended("mesh_node-1", -9, lines) == (
        "mesh_node-1 was ended by SIGKILL, and everything with it"
    )
    assert launching.why_ended("mesh_node-1", 0, []).startswith("mesh_node-1 ended by itself,")
    colored = ["\x1b[31m[ERROR] [1764.5] [a]: red\x1b[0m"]
    assert launching.why_ended("a", 1, colored).endswith(": red")


def test_packages_missing_for_rviz_are_named_in_one_line(monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "jazzy")
    monkeypatch.setattr(launching, "_runs", lambda package, _: package == "tf2_ros")
    assert launching.missing_for_rviz(True) == (
        "rviz2 not installed, going on without RViz: apt install ros-jazzy-rviz2, or rviz:=false"
    )
    monkeypatch.setattr(launching, "_runs", lambda package, _: package == "rviz2")
    assert "apt install ros-jazzy-tf2-ros, or" in launching.missing_for_rviz(True)
    assert launching.missing_for_rviz(False) == ""


def test_the_line_for_drivers_names_the_profile_and_the_other_remedy():
    said = launching.driver_needs("/a.xml", ("FASTRTPS_DEFAULT_PROFILES_FILE",))
    assert "start it with FASTRTPS_DEFAULT_PROFILES_FILE=/a.xml; or" in said
    assert said.endswith("launch this with image_reliability:=reliable")


@pytest.mark.parametrize(
    ("distro", "names"),
    [
        ("humble", ("FASTRTPS_DEFAULT_PROFILES_FILE",)),
        ("jazzy", ("FASTRTPS_DEFAULT_PROFILES_FILE",)),
        ("kilted", ("FASTDDS_DEFAULT_PROFILES_FILE",)),
        ("rolling", ("FASTDDS_DEFAULT_PROFILES_FILE",)),
        ("", ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")),
    ],
)
def test_the_variable_of_the_profile_depends_on_the_distribution(monkeypatch, distro, names):
    monkeypatch.setenv("ROS_DISTRO", distro)
    assert dds.profile_variables() == names


def test_a_profile_that_the_user_chose_is_found_under_either_name(monkeypatch):
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
        monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
        assert dds.chosen_profile() == ""
        monkeypatch.setenv(name, "/mine.xml")
        assert dds.chosen_profile() == "/mine.xml"
