"""What is done to images on the device, inside the step."""
