"""`icl-mesh bag`: people from the images of a rosbag2, without ROS (library rosbags)."""
