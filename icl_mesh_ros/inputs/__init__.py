"""From messages to images, cameras and depth images."""
