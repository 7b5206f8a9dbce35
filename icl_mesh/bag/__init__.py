"""rosbag2 files in, people out, without ROS (library rosbags); see `icl-mesh bag --help`."""
